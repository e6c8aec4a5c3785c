"""Networks: sizes by formula, the papers' functions by a slow witness, seeds and modes."""

import hashlib
import math

import pytest
import torch
import torch.nn.functional as F
from torch import nn

from astute import models
from astute.models import (
    CNN1,
    CNN2,
    MLP,
    AlexNet,
    CifarResNet18,
    ConvNet,
    Fixup,
    LeNet,
    ResNet18,
    ResNet50,
    StandardiseChannels,
    StandardiseImage,
    ThreeConv,
    TinyWideResNet50,
    WideResNet,
    evaluating,
)


def parameters(model):
    return sum(p.numel() for p in model.parameters())


def size(setting):
    """Number of parameters of a network that is never filled with numbers."""
    with torch.device("meta"):
        return parameters(setting(seed=0))


def lenet_parameters(width):
    a, b, h = math.floor(32 * width), math.floor(64 * width), math.floor(1024 * width)
    return (25 + 1) * a + (25 * a + 1) * b + (49 * b + 1) * h + (h + 1) * 10


@pytest.mark.parametrize(
    ("width", "millions", "exact"),
    [
        (0.125, 0.053, 52_506),
        (0.25, 0.207, 206_954),
        (0.5, 0.822, 821_706),
        (1.0, 3.27, 3_274_634),
        (2.0, 13.1, 13_074_186),
        (4.0, 52.2, 52_248_074),
    ],
)
def test_lenet_has_the_papers_size(width, millions, exact):
    count = size(LeNet(width=width))
    assert count == lenet_parameters(width) == exact
    assert count / 1e6 == pytest.approx(millions, rel=0.01)


def test_lenet_rounds_its_channels_down():
    model = LeNet(width=0.3)(seed=0)  # 9.6, 19.2 and 307.2 units
    assert [layer.weight.shape[0] for layer in (model.conv1, model.conv2, model.fc1)] == [
        9,
        19,
        307,
    ]
    assert parameters(model) == lenet_parameters(0.3)


def test_cnn1_has_the_papers_size():
    convolutions = (9 + 1) * 32 + (9 * 32 + 1) * 64
    dense = (9216 + 1) * 128 + (128 + 1) * 10
    assert parameters(CNN1()(seed=0)) == convolutions + dense == 1_199_882


@pytest.mark.parametrize(
    ("setting", "millions", "exact"),
    [
        (CNN2(), 0.312, 312_202),
        (ConvNet(), 0.166, 166_406),
        (WideResNet(depth=28, width=0.25), 0.0245, 24_490),
        (WideResNet(depth=28, width=1), 0.369, 369_498),
        (WideResNet(depth=28, width=4), 5.85, 5_849_050),
        (WideResNet(depth=40, width=10), 55.8, 55_841_754),
        (Fixup(n=3), 0.268, 268_384),
        (Fixup(n=9), 0.849, 849_064),
        (Fixup(n=18), 1.72, 1_720_084),
        (TinyWideResNet50(), 67.2, 67_236_360),
        (ResNet50(), 23.5, 23_526_473),
        (AlexNet(), 61.1, 61_100_840),
        (ResNet18(), 11.7, 11_689_512),
        (CifarResNet18(), 11.4, 11_436_618),
    ],
    ids=str,
)
def test_a_network_has_the_papers_size(setting, millions, exact):
    assert size(setting) == exact
    assert exact / 1e6 == pytest.approx(millions, rel=0.02)


def test_the_baseline_of_idio_on_mnist_is_a_wider_cnn1():
    setting = CNN1(hidden=512, second_relu=True)
    assert size(setting) == 320 + 18_496 + 9217 * 512 + 513 * 10


@pytest.mark.parametrize("padding", [0, 2])
@pytest.mark.parametrize("layout", [torch.contiguous_format, torch.channels_last])
def test_a_grey_convolution_is_pytorchs_with_all_its_gradients(padding, layout, generator):
    ours = models.layers.GreyConv2d(6, 5, padding=padding).double().to(memory_format=layout)
    plain = nn.Conv2d(1, 6, 5, padding=padding).double()
    plain.load_state_dict(ours.state_dict())
    x = torch.rand(3, 1, 9, 7, generator=generator, dtype=torch.float64)
    found = []
    for layer in (ours, plain):
        images = x.clone().requires_grad_()
        value = layer(images).square().sum()
        # by the image alone, as an attack asks; then all again, differentiable
        (slope,) = torch.autograd.grad(value, images, retain_graph=True)
        all_of_it = [images, layer.weight, layer.bias]
        first = torch.autograd.grad(value, all_of_it, create_graph=True)
        second = torch.autograd.grad(first[0].pow(3).sum(), [images, layer.weight, layer.bias])
        found.append([value, slope, *first, *second, layer(x)])
    for a, b in zip(*found, strict=True):
        assert torch.allclose(a, b, atol=1e-9)


def convolutions(model):
    return [part for part in model.modules() if isinstance(part, nn.Conv2d)]


def test_depth_counts_the_layers():
    with torch.device("meta"):
        wide = WideResNet(depth=28, width=1)(seed=0)
        plain = {n: Fixup(n=n)(seed=0) for n in (9, 18)}
    shortcuts = [conv for conv in convolutions(wide) if conv.kernel_size == (1, 1)]
    assert len(convolutions(wide)) - len(shortcuts) == 28 - 3
    assert len(shortcuts) == 2  # at width 1 the first group keeps 16 channels
    assert [len(convolutions(m)) + 1 for m in plain.values()] == [56, 110]


def test_mlp_has_a_matrix_and_a_bias_a_layer():
    assert parameters(MLP(sizes=(784, 64, 10))(seed=0)) == 785 * 64 + 65 * 10
    bare = MLP(sizes=(784, 30, 20, 10), bias=False)(seed=0)
    assert parameters(bare) == 784 * 30 + 30 * 20 + 20 * 10
    assert [type(part).__name__ for part in bare] == [
        *("Flatten", "Linear", "ReLU", "Linear", "ReLU", "Linear")
    ]


def test_a_bias_free_network_is_homogeneous():
    model, x = MLP(sizes=(16, 8, 3), bias=False)(seed=0), torch.rand(5, 1, 4, 4)
    assert torch.allclose(model(0.25 * x), 0.25 * model(x), atol=1e-6)


def lenet_as_written(model, x):
    """PROTOCOLS' order: convolution, ReLU, max-pool."""
    x = F.max_pool2d(F.relu(model.conv1(x)), 2)
    x = F.max_pool2d(F.relu(model.conv2(x)), 2)
    return model.fc2(F.relu(model.fc1(x.flatten(1))))


def cnn1_as_written(model, x, second_relu):
    x = model.conv2(F.relu(model.conv1(x)))
    x = F.max_pool2d(F.relu(x) if second_relu else x, 2)
    return model.fc2(F.relu(model.fc1(x.flatten(1))))


def same_function_and_gradients(model, witness, generator, side=28):
    colours = next(conv.in_channels for conv in convolutions(model))
    x = torch.rand(
        *(4, colours, side, side), generator=generator, dtype=torch.float64, requires_grad=True
    )
    pairs = []
    for function in (model, witness):
        logits = function(x)
        gradients = torch.autograd.grad(logits.logsumexp(1).sum(), [x, *model.parameters()])
        pairs.append((logits, *gradients))
    for ours, theirs in zip(*pairs, strict=True):
        assert torch.allclose(ours, theirs, atol=1e-12)
    assert pairs[0][0].shape == (4, 10)


@pytest.mark.parametrize("width", [0.125, 0.5])
def test_pooling_before_relu_is_the_papers_network(width, generator):
    model = LeNet(width=width)(seed=1).double()
    same_function_and_gradients(model, lambda x: lenet_as_written(model, x), generator)


@pytest.mark.parametrize("second_relu", [False, True])
def test_cnn1_is_the_network_of_the_code(second_relu, generator):
    model = CNN1(second_relu=second_relu)(seed=1).double().eval()
    same_function_and_gradients(model, lambda x: cnn1_as_written(model, x, second_relu), generator)


def cnn2_as_written(model, x):
    for first, second in ((model.conv1, model.conv2), (model.conv3, model.conv4)):
        x = F.max_pool2d(F.relu(second(F.relu(first(x)))), 2)
    return model.fc3(F.relu(model.fc2(F.relu(model.fc1(x.flatten(1))))))


def random_weights(setting, generator):
    """A network all of whose numbers play a part: none is left at 0 or 1."""
    model = setting(seed=1).double().eval()
    for name, tensor in model.state_dict().items():
        if tensor.is_floating_point():
            shift = 1.0 if name.endswith(("running_var",)) else 0.0
            noise = torch.rand(tensor.shape, generator=generator, dtype=tensor.dtype)
            tensor.copy_(0.3 * (noise - 0.5) + shift)
    return model


def test_cnn2_is_the_network_of_the_code(generator):
    model = random_weights(CNN2(), generator)
    same_function_and_gradients(model, lambda x: cnn2_as_written(model, x), generator)


def test_cnn2_starts_undecided():
    assert not CNN2()(seed=0).eval()(torch.rand(2, 1, 28, 28)).any()


def standardised(x):
    rows = [(one - one.mean()) / max(one.std(correction=0), one.numel() ** -0.5) for one in x]
    return torch.stack(rows)


def normalised(bn, x):
    return F.batch_norm(x, bn.running_mean, bn.running_var, bn.weight, bn.bias)


def wide_resnet_as_written(model, x, depth):
    x = F.conv2d(standardised(x), model.conv.weight, padding=1)
    for group, stride in ((1, 1), (2, 2), (3, 2)):
        for i in range((depth - 4) // 6):
            block = getattr(model, f"block{group}_{i + 1}")
            stride = stride if i == 0 else 1
            active = F.relu(normalised(block.bn1, x))
            z = F.relu(normalised(block.bn2, F.conv2d(active, block.conv1.weight, None, stride, 1)))
            z = F.conv2d(z, block.conv2.weight, None, 1, 1)
            changes = stride == 2 or x.shape[1] != z.shape[1]
            x = z + (F.conv2d(active, block.shortcut.weight, None, stride) if changes else x)
    return model.fc(F.relu(normalised(model.bn, x)).mean((2, 3)))


@pytest.mark.parametrize(("depth", "width"), [(16, 0.25), (10, 1)])
def test_the_wide_residual_network_is_the_papers(depth, width, generator):
    model = random_weights(WideResNet(depth=depth, width=width, standardise=True), generator)
    witness = lambda x: wide_resnet_as_written(model, x, depth)  # noqa: E731
    same_function_and_gradients(model, witness, generator, side=8)


def test_convolutions_of_the_wide_network_are_drawn_by_fan_out():
    for conv in convolutions(WideResNet(depth=16, width=4)(seed=0)):
        fan_out = conv.out_channels * math.prod(conv.kernel_size)
        tolerance = 5 / math.sqrt(2 * conv.weight.numel())
        assert conv.weight.std().item() == pytest.approx(math.sqrt(2 / fan_out), rel=tolerance)


def test_dropout_lies_between_the_convolutions():
    model = WideResNet(depth=10, width=0.25, dropout=0.3)(seed=0)
    assert model.block2_1.dropout.p == 0.3
    order = [name for name, _ in model.block2_1.named_children()]
    assert order[3:7] == ["bn2", "relu2", "dropout", "conv2"]
    x = torch.rand(2, 3, 8, 8)
    assert not torch.equal(model(x), model(x))
    assert torch.equal(model.eval()(x), model(x))


def fixup_as_written(model, x, n):
    mean, std = ((125.3, 123.0, 113.9), (63.0, 62.1, 66.7))
    mean, std = (torch.tensor(v, dtype=x.dtype).view(3, 1, 1) / 255 for v in (mean, std))
    x = F.relu(F.conv2d((x - mean) / std, model.conv.weight, padding=1) + model.bias1.bias)
    for stage, stride in ((1, 1), (2, 2), (3, 2)):
        for i in range(n):
            b = getattr(model, f"block{stage}_{i + 1}")
            stride = stride if i == 0 else 1
            b1, b2, b3, b4 = (getattr(b, f"bias{k}").bias for k in (1, 2, 3, 4))
            z = F.relu(F.conv2d(x + b1, b.conv1.weight, None, stride, 1) + b2)
            z = F.conv2d(z + b3, b.conv2.weight, None, 1, 1) + b4
            if stride == 2:
                thin = (x + b1)[:, :, ::2, ::2]
                x = torch.cat([thin, 0 * thin], 1)
            x = F.relu(z + x)
    return model.fc(x.mean((2, 3)) + model.bias2.bias)


def test_the_network_without_normalisation_is_the_papers(generator):
    model = random_weights(Fixup(n=2), generator)
    # The numbers once more, as they are printed: a network's are rounded to single precision.
    exact = torch.tensor([[125.3, 123.0, 113.9], [63.0, 62.1, 66.7]], dtype=torch.float64) / 255
    assert torch.allclose(model.standardise.mean.flatten(), exact[0], rtol=1e-6)
    model.standardise.mean, model.standardise.std = exact.view(2, 1, 3, 1, 1)
    witness = lambda x: fixup_as_written(model, x, 2)  # noqa: E731
    same_function_and_gradients(model, witness, generator, side=8)


def test_fixups_first_weights_are_the_papers():
    model = Fixup(n=3)(seed=0)
    assert not model(torch.rand(2, 3, 8, 8)).any()  # the last layer is 0
    for name, part in model.named_modules():
        if name.endswith("conv1"):
            deviation = math.sqrt(2 / (9 * part.out_channels)) / math.sqrt(9)
            assert part.weight.std().item() == pytest.approx(deviation, rel=0.1)
        elif name.endswith("conv2"):
            assert not part.weight.any()
    scalars = [p for p in model.parameters() if p.numel() == 1]
    assert len(scalars) == 2 + 4 * 9
    assert not any(scalars)
    assert not any(p.numel() == 1 for p in Fixup(n=3, biases=False)(seed=0).parameters())


def test_an_image_is_standardised_by_its_own_pixels(generator):
    x = torch.rand(3, 3, 4, 4, generator=generator, dtype=torch.float64)
    x[1] = 0.5
    x[2] = 0.5 + 1e-6 * x[2]
    found = StandardiseImage()(x)
    assert torch.allclose(found, standardised(x), atol=1e-12)
    assert found[0].mean().item() == pytest.approx(0, abs=1e-12)
    assert found[0].std(correction=0).item() == pytest.approx(1)
    assert not found[1].any()
    assert found[2].abs().max() < 1e-4  # the bound keeps a nearly flat image small
    x.requires_grad_()
    assert torch.autograd.grad(StandardiseImage()(x).square().sum(), x)[0].isfinite().all()


def test_standardising_holds_no_weights():
    assert list(StandardiseChannels((0.5,), (0.25,)).state_dict()) == []
    assert StandardiseChannels((0.5,), (0.25,))(torch.tensor([[[[1.0]]]])).item() == 2
    assert set(Fixup(n=1)(seed=0).state_dict()) == set(
        Fixup(n=1, standardise=False)(0).state_dict()
    )


@pytest.mark.parametrize(
    ("setting", "side"),
    [(ThreeConv(), 32), (CifarResNet18(hidden=8), 32), (ConvNet(), 28), (CNN2(), 28)],
    ids=str,
)
def test_logits_have_a_column_a_class(setting, side):
    model = setting(seed=0).eval()
    x = torch.rand(2, convolutions(model)[0].in_channels, side, side)
    assert model(x).shape == (2, 10)


def test_small_images_are_not_pooled_away():
    """The stem of ImageNet's networks is replaced: no stride, no pooling."""
    with torch.device("meta"):
        tiny, cifar = TinyWideResNet50()(seed=0).eval(), CifarResNet18()(seed=0).eval()
        for model, side in ((tiny, 56), (cifar, 32)):
            x = torch.zeros(1, 3, side, side)
            assert model.layer1(model.maxpool(model.conv1(x))).shape[-1] == side
        assert tiny(torch.zeros(1, 3, 56, 56)).shape == (1, 200)
        assert ResNet50()(seed=0).eval()(torch.zeros(1, 3, 64, 64)).shape == (1, 9)


@pytest.mark.parametrize("depth", [15, 4, 28.5])
def test_a_depth_that_no_such_network_has_is_refused(depth):
    with pytest.raises(ValueError, match=r"depth is 6 n \+ 4, such as 16"):
        WideResNet(depth=depth, width=1)


def test_an_empty_network_is_refused():
    with pytest.raises(ValueError, match="width is at least 1/16"):
        WideResNet(depth=16, width=0.01)
    with pytest.raises(ValueError, match="n is a number of blocks a stage"):
        Fixup(n=0)


# ---- torchvision's weights


@pytest.fixture
def published(tmp_path, monkeypatch):
    """A stand-in for torchvision's file of weights, and the cache it would lie in."""
    monkeypatch.setenv("ASTUTE_CACHE", str(tmp_path))
    monkeypatch.delenv("ASTUTE_DATA", raising=False)
    monkeypatch.setattr(models.vision, "_torchvision", lambda *_, **__: nn.Linear(2, 1))
    (tmp_path / "weights").mkdir()
    loose = tmp_path / "weights" / "loose.pth"
    torch.save({"weight": torch.tensor([[3.0, 4.0]]), "bias": torch.tensor([5.0])}, loose)
    digest = hashlib.sha256(loose.read_bytes()).hexdigest()
    path = loose.rename(loose.with_name(f"resnet18-{digest[:8]}.pth"))
    monkeypatch.setitem(models.vision.FILES, "resnet18", path.name)
    return path


def no_network(url, path, *_, **__):
    raise OSError("no route to host")


def test_published_weights_are_read_from_the_cache(published):
    model = ResNet18(pretrained=True)(seed=0)
    assert model.net.weight.tolist() == [[3.0, 4.0]]
    assert isinstance(model[0], StandardiseChannels)


def test_published_weights_are_read_from_the_readers_folder_first(published, monkeypatch, tmp_path):
    (tmp_path / "mine" / "weights").mkdir(parents=True)
    moved = published.rename(tmp_path / "mine" / "weights" / published.name)
    monkeypatch.setenv("ASTUTE_DATA", str(tmp_path / "mine"))
    assert models.weights_file("resnet18") == moved


def test_damaged_published_weights_are_refused_before_they_are_read(published, monkeypatch):
    published.write_bytes(published.read_bytes()[:-1] + b"x")
    monkeypatch.setattr(torch, "load", None)
    with pytest.raises(ValueError, match=r"is damaged: its SHA-256 begins with .*; delete it"):
        ResNet18(pretrained=True)(seed=0)


def test_absent_published_weights_are_one_clear_sentence(published, monkeypatch):
    published.unlink()
    monkeypatch.setattr(torch.hub, "download_url_to_file", no_network)
    with pytest.raises(FileNotFoundError, match=r"is not here \(no route to host\). Put the file"):
        ResNet18(pretrained=True)(seed=0)
    with pytest.raises(FileNotFoundError, match="downloading was switched off"):
        models.weights_file("resnet18", download=False)


def test_what_was_downloaded_is_checked_too(published, monkeypatch):
    content = published.read_bytes()
    published.unlink()
    seen = []

    def download(url, path, hash_prefix, progress):
        seen.append((url, hash_prefix))
        path.write_bytes(content)

    monkeypatch.setattr(torch.hub, "download_url_to_file", download)
    assert models.weights_file("resnet18") == published
    ((url, prefix),) = seen
    assert url.endswith(f"/models/{published.name}")
    assert published.stem.endswith(prefix)


def test_published_weights_have_a_thousand_classes():
    with pytest.raises(ValueError, match="1000 classes of ImageNet; got 10"):
        AlexNet(pretrained=True, classes=10)


def test_the_second_relu_matters(generator):
    x = torch.rand(4, 1, 28, 28, generator=generator)
    without, with_it = (CNN1(second_relu=s)(seed=1).eval() for s in (False, True))
    assert not torch.allclose(without(x), with_it(x))


def test_cnn1_drops_whole_channels_and_half_the_units_in_training():
    model = CNN1()(seed=0)
    assert isinstance(model.dropout1, nn.Dropout2d)
    assert (model.dropout1.p, model.dropout2.p) == (0.25, 0.5)


SETTINGS = [
    LeNet(width=0.125),
    CNN1(hidden=8),
    MLP(sizes=(784, 5, 10)),
    ConvNet(),
    ThreeConv(channels=(2, 3, 4), hidden=5),
]
RESIDUAL = [WideResNet(depth=10, width=0.25), Fixup(n=1), CifarResNet18(hidden=3)]


@pytest.mark.parametrize("setting", SETTINGS, ids=str)
def test_a_seed_decides_the_weights(setting):
    first, again, other = (list(setting(seed=s).parameters()) for s in (3, 3, 4))
    assert all(map(torch.equal, first, again))
    assert not any(map(torch.equal, first, other))


@pytest.mark.parametrize("setting", RESIDUAL, ids=str)
def test_a_seed_decides_the_convolutions(setting):
    first, again, other = (convolutions(setting(seed=s))[0].weight for s in (3, 3, 4))
    assert torch.equal(first, again)
    assert not torch.equal(first, other)


@pytest.mark.parametrize("setting", SETTINGS + RESIDUAL, ids=str)
def test_building_leaves_the_global_generator_alone(setting):
    before = torch.get_rng_state()
    setting(seed=3)
    assert torch.equal(torch.get_rng_state(), before)


@pytest.mark.parametrize("setting", SETTINGS, ids=str)
def test_the_caller_need_not_seed_anything(setting):
    with torch.random.fork_rng(devices=[]):
        torch.manual_seed(99)
        elsewhere = setting(seed=3)
    here = setting(seed=3)
    assert all(map(torch.equal, elsewhere.parameters(), here.parameters()))


def test_no_input_is_standardised():
    """Fed to the first convolution as they are, black images give its bias."""
    model = LeNet(width=0.125)(seed=0)
    first = model.conv1(torch.zeros(1, 1, 28, 28))
    assert torch.equal(first[0, :, 5, 5], model.conv1.bias)
    assert next(iter(model)) is model.conv1


def mixed():
    model = CNN1(hidden=8)(seed=0).train()
    model.dropout1.eval()
    return model, [part.training for part in model.modules()]


def test_evaluating_gives_every_part_its_mode_back():
    model, before = mixed()
    with evaluating(model) as inside:
        assert inside is model
        assert not any(part.training for part in model.modules())
    assert [part.training for part in model.modules()] == before


def test_evaluating_gives_the_modes_back_after_an_error():
    model, before = mixed()
    with pytest.raises(KeyError), evaluating(model):
        raise KeyError
    assert [part.training for part in model.modules()] == before
