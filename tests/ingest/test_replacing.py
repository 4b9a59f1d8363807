"""What is in the cache already: replaced on request, removed by name, and nothing else is touched."""

import pytest
from pictured import contents, make_folder, packed_names

from cockpit.datasets import DATASETS, find_dataset, list_datasets
from cockpit.errors import CockpitError
from cockpit.ingest import import_dataset, remove_dataset


def test_an_imported_name_is_replaced_only_on_request(data_dir, tmp_path):
    import_dataset("birds", make_folder(tmp_path / "one"))
    other = make_folder(tmp_path / "two", classes="crow owl wren")
    with pytest.raises(CockpitError, match=r"'birds' exists.*--replace"):
        import_dataset("birds", other)
    assert find_dataset("birds").num_classes == 2
    import_dataset("birds", other, replace=True, hflip_ok=False)
    assert find_dataset("birds").num_classes == 3
    assert not find_dataset("birds").hflip_ok


def test_a_folder_of_somebody_else_in_the_cache_is_never_replaced_or_removed(data_dir, tmp_path):
    """COCKPIT_DATA may name the folder where the source images are."""
    root = make_folder(data_dir / "birds")
    before = contents(data_dir)
    for attempt in (lambda: import_dataset("birds", root, replace=True), lambda: remove_dataset("birds")):
        with pytest.raises(CockpitError, match=r"'test', 'train', which cockpit did not write"):
            attempt()
    assert contents(data_dir) == before


def test_a_dataset_is_removed_without_its_source(data_dir, tmp_path):
    root = make_folder(tmp_path / "birds")
    import_dataset("birds", root)
    source = contents(root)
    assert remove_dataset("birds") == data_dir / "birds"
    assert packed_names(data_dir) == set()
    assert contents(root) == source
    assert [spec.name for spec in list_datasets()] == list(DATASETS)


def test_removing_a_link_keeps_what_it_leads_to(data_dir, tmp_path):
    import_dataset("birds", make_folder(tmp_path / "source"))
    (data_dir / "birds").rename(tmp_path / "elsewhere")
    (data_dir / "birds").symlink_to(tmp_path / "elsewhere")
    remove_dataset("birds")
    assert packed_names(data_dir) == set()
    assert len(list((tmp_path / "elsewhere").iterdir())) == 5


@pytest.mark.parametrize("name", ["../outside", "birds/../../outside", "/", "~", "", "wren", "digits", "cifar10"])
def test_removing_what_is_no_packed_dataset_is_refused(name, data_dir, tmp_path):
    import_dataset("birds", make_folder(tmp_path / "source"))
    make_folder(tmp_path / "outside")
    before = contents(tmp_path)
    with pytest.raises(CockpitError):
        remove_dataset(name)
    assert contents(tmp_path) == before
