"""Data sets: files in their true formats, made here, are read exactly; faults are told."""

import gzip
import io
import pickle
import threading
import zipfile

import numpy as np
import pytest
import torch
from PIL import Image

from astute import data
from astute.data import formats

GENERATOR = np.random.default_rng(7)
COLOUR = GENERATOR.integers(0, 256, (6, 3, 32, 32), np.uint8)
LABELS = np.array([1, 0, 2, 2, 1, 0], np.uint8)


@pytest.fixture(autouse=True)
def empty_machine(tmp_path, monkeypatch):
    """No data, a cache of its own, no network: what is found is what the test made."""
    for name in ("ASTUTE_DATA", "ASTUTE_CACHE", "TORCH_HOME"):
        monkeypatch.setenv(name, str(tmp_path / name))
    monkeypatch.setenv("ASTUTE_QUIET", "1")

    def offline(*args, **kwargs):
        raise OSError("no network")

    monkeypatch.setattr("socket.socket.connect", offline)
    monkeypatch.setattr("socket.getaddrinfo", offline)


@pytest.fixture
def folder(tmp_path):
    (tmp_path / "ASTUTE_DATA").mkdir()
    return tmp_path / "ASTUTE_DATA"


def write_idx(path, array, packed):
    """An idx file: magic number with type 8 (bytes) and the number of axes, sizes, bytes."""
    content = bytes([0, 0, 8, array.ndim]) + np.array(array.shape, ">u4").tobytes()
    content += array.tobytes()
    path.parent.mkdir(parents=True, exist_ok=True)
    if packed:
        path = path.with_name(path.name + ".gz")
    path.write_bytes(gzip.compress(content) if packed else content)
    return path


def write_strips(path, images, labels, per_strip=2):
    """A compact CIFAR file: lossless WebP of images on top of each other, in one .npz."""
    blobs = []
    for k in range(0, len(images), per_strip):
        file = io.BytesIO()
        strip = images[k : k + per_strip].transpose(0, 2, 3, 1).reshape(-1, 32, 3)
        Image.fromarray(strip).save(file, "WEBP", lossless=True)
        blobs.append(file.getvalue())
    path.parent.mkdir(parents=True, exist_ok=True)
    np.savez(
        path,
        bytes=np.frombuffer(b"".join(blobs), np.uint8),
        offsets=np.cumsum([0, *map(len, blobs)]),
        labels=labels,
        classes=np.array([b"plane", b"car", b"bird"]),
    )


def write_photo(path, size=(64, 64), seed=0):
    path.parent.mkdir(parents=True, exist_ok=True)
    noise = np.random.default_rng(seed).integers(0, 256, (size[1], size[0], 3), np.uint8)
    Image.fromarray(noise).save(path, "JPEG")


# Digits and photographs, always at hand


def test_the_digits_are_split_into_balanced_parts_without_a_common_image():
    train, test = data.pixels("digits"), data.pixels("digits", "test")
    assert (len(train), len(test)) == (1437, 360)
    counts = train.y.bincount() + test.y.bincount()
    assert (test.y.bincount() - counts * 360 / 1797).abs().max() < 1
    images = {image.numpy().tobytes() for image in torch.cat([train.x, test.x])}
    assert len(images) == 1797


def test_a_digit_is_the_bilinear_enlargement_in_the_frame_of_mnist():
    from sklearn.datasets import load_digits

    source = load_digits()
    small = torch.from_numpy(source.images)[:, None]
    large = torch.nn.functional.interpolate(small, (20, 20), mode="bilinear") * 255 / 16
    parts = [data.pixels("digits", split) for split in ("train", "test")]
    ours = torch.cat([part.x for part in parts]).double()
    inside = ours[:, :, 4:-4, 4:-4]
    assert inside.sum() == ours.sum()  # the border is black
    gaps = torch.cdist(inside.flatten(1), large.flatten(1), p=float("inf")).min(1)
    assert gaps.values.max() <= 0.5 + 1e-9  # rounding to levels, nothing else
    labels = torch.cat([part.y for part in parts]).numpy()
    assert (source.target[gaps.indices] == labels).all()


def test_load_is_pixels_over_255_to_the_last_bit():
    exact = data.pixels("digits", limit=50).x.numpy() / 255
    assert (data.load("digits", limit=50).x.numpy() == exact.astype(np.float32)).all()


def test_natural_patches_are_colour_pixels_of_the_photographs():
    patches = data.natural_patches(9, size=16)
    assert patches.shape == (9, 3, 16, 16)
    assert torch.equal((patches * 255).round() / 255, patches)
    assert (patches.amax(1) - patches.amin(1)).mean() > 0.05  # colourful, not grey
    with pytest.raises(ValueError, match="340 patches of 64 x 64 pixels are there; got n = 341"):
        data.natural_patches(341, size=64)


# One test for each format


@pytest.mark.parametrize("packed", [False, True])
def test_idx_files_are_read_packed_or_not(folder, packed):
    x = GENERATOR.integers(0, 256, (3, 28, 28), np.uint8)
    raw = folder / "FashionMNIST" / "raw"
    write_idx(raw / "t10k-images-idx3-ubyte", x, packed)
    write_idx(raw / "t10k-labels-idx1-ubyte", np.array([9, 0, 3], np.uint8), packed)
    read = data.pixels("fmnist", "test", verify=False)
    assert torch.equal(read.x, torch.from_numpy(x)[:, None])
    assert [read.classes[label] for label in read.y] == ["Ankle boot", "T-shirt/top", "Dress"]


def test_cifar_strips_are_joined_in_order_and_found_again_in_the_cache(folder, monkeypatch):
    write_strips(folder / "cifar10/train-1of2.npz", COLOUR[:4], LABELS[:4])
    write_strips(folder / "cifar10/train-2of2.npz", COLOUR[4:], LABELS[4:])
    read = data.pixels("cifar10", verify=False)
    assert torch.equal(read.x, torch.from_numpy(COLOUR))
    assert read.y.tolist() == LABELS.tolist()
    assert read.classes == ("plane", "car", "bird")
    monkeypatch.setattr(formats.Image, "open", None)  # decoding again would fail
    assert torch.equal(data.pixels("cifar10", verify=False).x, read.x)


def test_torchvisions_cifar_gives_what_the_compact_files_give(folder, monkeypatch):
    import hashlib

    import torchvision

    batches = folder / "cifar-100-python"
    batches.mkdir()
    table = []
    contents = {"data": COLOUR.reshape(6, -1), "fine_labels": LABELS.tolist()}
    for name, content in (
        ("test", contents),
        ("meta", {"fine_label_names": ["plane", "car", "bird"]}),
    ):
        (batches / name).write_bytes(pickle.dumps(content))
        table.append([name, hashlib.md5((batches / name).read_bytes()).hexdigest()])
    monkeypatch.setattr(torchvision.datasets.CIFAR100, "train_list", [])
    monkeypatch.setattr(torchvision.datasets.CIFAR100, "test_list", table[:1])
    monkeypatch.setitem(torchvision.datasets.CIFAR100.meta, "md5", table[1][1])
    full = data.pixels("cifar100", "test")
    shuffled = [3, 0, 5, 1, 4, 2]  # the compact files have another order
    compact = folder / "compact"
    write_strips(compact / "cifar100/test.npz", COLOUR[shuffled], LABELS[shuffled])
    other = data.pixels("cifar100", "test", root=compact, verify=False)
    assert torch.equal(full.x, other.x)
    assert full.y.tolist() == other.y.tolist() == [0, 1, 2, 0, 1, 2]
    assert {i.numpy().tobytes() for i in full.x} == {i.tobytes() for i in COLOUR}


def test_a_pickle_with_another_md5_is_never_opened(folder):
    class Trap:
        def __reduce__(self):
            return (folder.joinpath("sprung").touch, ())

    for name in ("test_batch", "batches.meta", *(f"data_batch_{k}" for k in range(1, 6))):
        path = folder / "cifar-10-batches-py" / name
        path.parent.mkdir(exist_ok=True)
        path.write_bytes(pickle.dumps(Trap()))
    with pytest.raises(ValueError, match="truncated or altered"):
        data.pixels("cifar10", "test", verify=False)
    assert not (folder / "sprung").exists()


def test_svhn_is_read_with_ten_as_zero(folder):
    from scipy.io import savemat

    digits = np.array([[10], [1], [9], [2], [10], [3]], np.uint8)
    mat = folder / "test_32x32.mat"
    savemat(mat, {"X": COLOUR.transpose(2, 3, 1, 0), "y": digits})
    read = data.pixels("svhn", "test", verify=False)
    assert torch.equal(read.x, torch.from_numpy(COLOUR))
    assert read.y.tolist() == [0, 1, 9, 2, 0, 3]
    with pytest.raises(ValueError, match=r"md5 is .*, must be eb5a983be6a315427106f1b164d9cef3"):
        data.pixels("svhn", "test")


def test_tiny_imagenet_takes_its_validation_labels_from_the_table(folder):
    top = folder / "tiny-imagenet-200"
    places = ["train/n02/images/n02_0", "train/n02/images/n02_1", "train/n01/images/n01_0"]
    for seed, place in enumerate([*places, "val/images/val_0", "val/images/val_1"]):
        write_photo(top / f"{place}.JPEG", seed=seed)
    (top / "train/n02/n02_boxes.txt").write_text("n02_0.JPEG\t0\t0\t63\t63\n")
    (top / "wnids.txt").write_text("n02\nn01\n")
    (top / "val/val_annotations.txt").write_text(
        "val_0.JPEG\tn02\t0\t0\t9\t9\nval_1.JPEG\tn01\t0\t0\t9\t9\n"
    )
    train = data.pixels("tinyimagenet", verify=False)
    test = data.pixels("tinyimagenet", "test", verify=False)
    assert train.classes == test.classes == ("n01", "n02")
    assert train.y.tolist() == [0, 1, 1]  # one of each class in turn
    assert test.y.tolist() == [1, 0]
    with Image.open(top / "val/images/val_1.JPEG") as image:
        assert (test.x[1].permute(1, 2, 0).numpy() == np.asarray(image)).all()
    with pytest.raises(ValueError, match="3 of 100000 images"):
        data.pixels("tinyimagenet")


def test_a_folder_of_images_is_resized_and_cropped_as_torchvision_does(folder):
    from torchvision import transforms

    protocol = transforms.Compose([transforms.Resize(72), transforms.CenterCrop(64)])
    sizes = {"a/1.JPEG": (131, 90), "a/2.jpg": (75, 203), "b/1.png": (80, 80)}
    for seed, (name, size) in enumerate(sizes.items()):
        write_photo(folder / "val" / name, size, seed)
    read = data.pixels("imagefolder", "test", size=(72, 64))
    assert read.y.tolist() == [0, 1, 0]
    for ours, name in zip(read.x, ("a/1.JPEG", "b/1.png", "a/2.jpg"), strict=True):
        with Image.open(folder / "val" / name) as image:
            theirs = np.asarray(protocol(image))
        assert (ours.permute(1, 2, 0).numpy() == theirs).all()
    assert data.pixels("imagefolder", "test", limit=1).x.shape == (1, 3, 224, 224)


# Choices


@pytest.mark.parametrize(
    ("asked", "words"),
    [
        (("cifar",), "no data set 'cifar'; choose one of mnist, fmnist"),
        (("mnist", "val"), "mnist has no split 'val'; choose one of train, test"),
        (("mnist", "train-subset"), "mnist has no split"),
        (("../mnist",), "no data set"),
    ],
)
def test_a_name_that_is_not_on_the_list_is_refused(asked, words):
    with pytest.raises(ValueError, match=words):
        data.load(*asked)


@pytest.mark.parametrize("limit", [0, -1, 361])
def test_a_limit_outside_the_split_is_refused(limit):
    with pytest.raises(ValueError, match=f"limit is {limit}; digits 'test' has images 1 to 360"):
        data.load("digits", "test", limit=limit)


def test_a_limit_takes_the_first_images():
    few, all_ = data.load("digits", "test", limit=7), data.load("digits", "test")
    assert len(few) == 7
    assert torch.equal(few.x, all_.x[:7])


@pytest.mark.parametrize(("name", "size"), [("digits", (72, 64)), ("imagefolder", (64, 72))])
def test_a_crop_that_makes_no_sense_is_refused(name, size):
    with pytest.raises(ValueError, match="size is"):
        data.load(name, size=size)


# Absent, truncated, altered


@pytest.mark.parametrize("name", [name for name in data.NAMES if name != "digits"])
def test_absent_data_give_three_ways_to_get_them(name, tmp_path):
    with pytest.raises(FileNotFoundError, match="is not at hand") as error:
        data.load(name, download=False)
    words = str(error.value)
    assert f"ASTUTE_DATA names (now {tmp_path / 'ASTUTE_DATA'})" in words
    assert str(tmp_path / "TORCH_HOME/datasets/vision") in words
    assert "let torchvision download it" in words or "fetch it by hand" in words


def test_a_failed_download_is_told_with_its_reason():
    with pytest.raises(FileNotFoundError, match=r"could not download it: .*no network"):
        data.load("svhn")


def test_a_download_ends_whole_in_torchvisions_folder(tmp_path, monkeypatch):
    import torchvision

    def fetch(root, download, train):
        raw = formats.Path(root) / "MNIST" / "raw"
        write_idx(raw / "train-images-idx3-ubyte", np.zeros((2, 28, 28), np.uint8), True)
        write_idx(raw / "train-labels-idx1-ubyte", np.array([4, 2], np.uint8), True)

    monkeypatch.setattr(torchvision.datasets, "MNIST", fetch)
    assert data.load("mnist", verify=False).y.tolist() == [4, 2]
    kept = tmp_path / "TORCH_HOME/datasets/vision"
    assert [entry.name for entry in kept.iterdir()] == ["MNIST"]
    assert data.load("mnist", verify=False, download=False).y.tolist() == [4, 2]


def test_the_fifth_of_cifar100_is_never_taken_for_the_whole(folder):
    write_strips(folder / "cifar100/train-subset.npz", COLOUR, LABELS)
    with pytest.raises(FileNotFoundError, match="only a fifth of it, the split 'train-subset'"):
        data.load("cifar100", download=False, verify=False)
    subset = data.load("cifar100", "train-subset", verify=False)
    assert subset.split == "train-subset"
    assert len(subset) == 6


def test_a_missing_half_is_named(folder):
    write_strips(folder / "cifar10/train-1of2.npz", COLOUR, LABELS)
    with pytest.raises(FileNotFoundError, match=r"lacks cifar10/train-2of2\.npz"):
        data.load("cifar10", download=False)


def test_a_file_without_the_published_checksum_is_refused(folder):
    write_strips(folder / "cifar10/test.npz", COLOUR, LABELS)
    with pytest.raises(ValueError, match=r"test\.npz is truncated or altered \(sha256 .*delete it"):
        data.load("cifar10", "test")


@pytest.mark.parametrize("packed", [False, True])
def test_a_truncated_file_is_refused_even_unverified(folder, packed):
    raw = folder / "MNIST" / "raw"
    images = write_idx(raw / "t10k-images-idx3-ubyte", COLOUR[:, 0], packed)
    write_idx(raw / "t10k-labels-idx1-ubyte", LABELS, packed)
    images.write_bytes(images.read_bytes()[:-40])
    with pytest.raises(ValueError, match="truncated or altered"):
        data.load("mnist", "test", verify=False)


def test_labels_out_of_range_are_refused(folder):
    write_strips(folder / "cifar10/test.npz", COLOUR, LABELS + 1)
    with pytest.raises(ValueError, match="labels 1 to 3 of 3 classes"):
        data.load("cifar10", "test", verify=False)


def test_a_truncated_photograph_is_named(folder):
    write_photo(folder / "train/a/1.JPEG", (300, 300))
    path = folder / "train/a/1.JPEG"
    path.write_bytes(path.read_bytes()[:5000])
    with pytest.raises(ValueError, match=r"1\.JPEG is truncated or altered"):
        data.load("imagefolder")


# The cache of decoded images


def decoded(tmp_path):
    (path,) = (tmp_path / "ASTUTE_CACHE" / "data").iterdir()
    return path


def test_a_damaged_cache_is_noticed_and_made_anew(folder, tmp_path):
    write_strips(folder / "cifar10/test.npz", COLOUR, LABELS)
    right = data.pixels("cifar10", "test", verify=False).x
    path = decoded(tmp_path)
    whole = path.read_bytes()
    flipped = bytearray(whole)
    flipped[len(whole) // 2] ^= 1
    for damaged in (bytes(flipped), whole[:-100], b"", b"not an archive"):
        path.write_bytes(damaged)
        assert torch.equal(data.pixels("cifar10", "test", verify=False).x, right)
        assert zipfile.ZipFile(decoded(tmp_path)).testzip() is None


def test_other_files_under_the_same_name_are_decoded_anew(folder):
    for images in (COLOUR, COLOUR[::-1]):
        write_strips(folder / "cifar10/test.npz", images, LABELS)
        read = data.pixels("cifar10", "test", verify=False)
        assert torch.equal(read.x, torch.from_numpy(images.copy()))


def test_writers_at_the_same_time_leave_one_whole_file(folder, tmp_path):
    write_strips(folder / "cifar10/test.npz", COLOUR, LABELS)
    results = []

    def read():
        results.append(data.pixels("cifar10", "test", verify=False).x)

    threads = [threading.Thread(target=read) for _ in range(8)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert len(results) == 8
    assert all(torch.equal(x, torch.from_numpy(COLOUR)) for x in results)
    assert zipfile.ZipFile(decoded(tmp_path)).testzip() is None


def test_a_cache_that_cannot_be_written_costs_only_time(folder, tmp_path):
    write_strips(folder / "cifar10/test.npz", COLOUR, LABELS)
    (tmp_path / "ASTUTE_CACHE").write_text("a file where the folder should be")
    with pytest.warns(UserWarning, match="decoded images are not kept"):
        read = data.pixels("cifar10", "test", verify=False)
    assert torch.equal(read.x, torch.from_numpy(COLOUR))
