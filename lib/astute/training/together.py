"""Networks of one architecture computed side by side, each with chances of its own."""

import torch
from torch import nn
from torch.overrides import TorchFunctionMode

#: Layers without weights that treat every channel alike, and so don't know of groups.
SHAPELESS = (nn.ReLU, nn.MaxPool2d, nn.AvgPool2d, nn.AdaptiveAvgPool2d, nn.Identity)


class SideBySide(nn.Module):
    """V networks as one: images of each, one network after the other, to logits in that order.

    Convolutions become groups of one larger convolution, channels last, and dense layers one
    batched product. On a CPU this beats ``torch.func.vmap`` over stacked weights (measured).

    Parameters
    ----------
    networks : list of nn.Module
        ``nn.Sequential`` of one architecture; their weights are copied.

    Raises
    ------
    ValueError
        For a layer that has no place here: one that draws at random, or normalises.
    """

    def __init__(self, networks):
        super().__init__()
        self.count, self.names = len(networks), [name for name, _ in networks[0].named_children()]
        shapes = [{k: v.shape for k, v in net.state_dict().items()} for net in networks]
        if any(s != shapes[0] for s in shapes) or not isinstance(networks[0], nn.Sequential):
            raise ValueError("networks side by side are nn.Sequential of one architecture")
        for name, *parts in zip(self.names, *networks, strict=True):
            first = parts[0]
            if isinstance(first, nn.Conv2d):
                layer = _Convolutions(parts)
            elif isinstance(first, nn.Linear):
                layer = _Products(parts)
            elif isinstance(first, nn.Flatten):
                layer = _Flatten(self.count)
            elif isinstance(first, SHAPELESS) or not getattr(first, "p", 1):
                layer = first
            else:
                raise ValueError(
                    f"{type(first).__name__} has no place in networks side by side; train them one "
                    "by one"
                )
            self.add_module(name, layer)

    def forward(self, x):
        v = self.count
        # (V n, C, H, W) -> (n, V C, H, W): the networks' channels beside each other.
        x = x.view(v, -1, *x.shape[1:]).transpose(0, 1).flatten(1, 2)
        x = x.contiguous(memory_format=torch.channels_last)
        for name in self.names:
            x = getattr(self, name)(x)
        return x.flatten(0, 1)

    def scalar(self, parameter):
        """Whether each network has a single number here."""
        return parameter.numel() == self.count

    @torch.no_grad()
    def unstack(self, networks):
        """Copy the weights back into the networks, which are left in this one's mode."""
        for i, network in enumerate(networks):
            own = dict(network.named_parameters())
            for name, stacked in self.named_parameters():
                own[name].copy_(stacked.view(self.count, *own[name].shape)[i])
            network.train(self.training)


class _Convolutions(nn.Conv2d):
    """One convolution of each network, as groups."""

    def __init__(self, parts):
        one, count = parts[0], len(parts)
        if one.groups > 1:
            raise ValueError("convolutions in groups can't be put side by side")
        super().__init__(
            *(count * one.in_channels, count * one.out_channels, one.kernel_size, one.stride),
            padding=one.padding,
            dilation=one.dilation,
            groups=count,
            bias=one.bias is not None,
            dtype=one.weight.dtype,
            device=one.weight.device,
        )
        with torch.no_grad():
            self.weight.copy_(torch.cat([part.weight for part in parts]))
            if one.bias is not None:
                self.bias.copy_(torch.cat([part.bias for part in parts]))
        self.to(memory_format=torch.channels_last)


class _Products(nn.Module):
    """One dense layer of each network, as a batched product."""

    def __init__(self, parts):
        super().__init__()
        self.weight = nn.Parameter(torch.stack([part.weight.detach() for part in parts]))
        biases = [part.bias for part in parts]
        if biases[0] is not None:
            self.bias = nn.Parameter(torch.stack([b.detach() for b in biases]))
        else:
            self.bias = None

    def forward(self, x):
        weight = self.weight.transpose(1, 2)
        if self.bias is None:
            return torch.bmm(x, weight)
        return torch.baddbmm(self.bias[:, None], x, weight)


class _Flatten(nn.Module):
    """(n, V C, H, W) -> (V, n, C H W)."""

    def __init__(self, count):
        super().__init__()
        self.count = count

    def forward(self, x):
        return x.reshape(len(x), self.count, -1).transpose(0, 1)


class Streams(TorchFunctionMode):
    """Inside, what is drawn by the generator it yields is drawn by several, a part by each.

    With one generator it does nothing and yields that one.
    """

    def __init__(self, generators):
        super().__init__()
        self.generators = generators
        self.joint = (
            generators[0] if len(generators) == 1 else torch.Generator(generators[0].device)
        )

    def __enter__(self):
        if len(self.generators) > 1:
            super().__enter__()
        return self.joint

    def __exit__(self, *error):
        if len(self.generators) > 1:
            super().__exit__(*error)

    def __torch_function__(self, function, types, args=(), kwargs=None):
        kwargs = kwargs or {}
        if kwargs.get("generator") is not self.joint:
            return function(*args, **kwargs)
        count = len(self.generators)
        if isinstance(args[0], torch.Tensor):  # in place
            for part, generator in zip(args[0].chunk(count), self.generators, strict=True):
                function(part, *args[1:], **kwargs | {"generator": generator})
            return args[0]
        *before, shape = args
        shape = (shape[0] // count, *shape[1:])
        return torch.cat(
            [function(*before, shape, **kwargs | {"generator": g}) for g in self.generators]
        )
