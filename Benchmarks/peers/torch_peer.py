"""PyTorch; variant `eager` or `compile` (torch.compile, weights frozen in inference). Fused optimizers."""
from protocol import converse, request, root_mean_square, workloads

ASKED = request()
import torch  # noqa: E402
from torch.nn import functional  # noqa: E402

torch.set_num_threads(ASKED.threads)
torch.manual_seed(1)


def network(work):
    pairs = iter(workloads.parameters(work))
    parts = []
    for layer in work["layers"]:
        if layer[0] == "dense":
            weight, bias = next(pairs)
            part = torch.nn.Linear(layer[1], layer[2])
            part.weight.data = torch.from_numpy(weight).T.contiguous()
            part.bias.data = torch.from_numpy(bias)
            parts.append(part)
        else:
            parts.append(torch.nn.ReLU() if layer[0] == "relu" else torch.nn.Dropout(layer[1]))
    return torch.nn.Sequential(*parts)


def optimizer(settings, parameters):
    if settings["rule"] == "momentum":
        return torch.optim.SGD(parameters, lr=settings["rate"], momentum=settings["momentum"], fused=True)
    return torch.optim.Adam(parameters, lr=settings["rate"], betas=(settings["beta1"], settings["beta2"]), eps=settings["epsilon"],
                            fused=True)


def training(work, x, y):
    model = network(work)
    rule = optimizer(work["optimizer"], model.parameters())
    judge = functional.binary_cross_entropy_with_logits if work["loss"] == "bce" else functional.cross_entropy

    def forward(x, y):
        return judge(model(x), y)

    if ASKED.variant == "compile":
        forward = torch.compile(forward, dynamic=False)

    def steps(count):
        for _ in range(count):
            rule.zero_grad(set_to_none=True)
            loss = forward(x, y)
            loss.backward()
            rule.step()
        return loss.item

    return steps


def inference(work, x):
    model = network(work)
    if work["loss"] == "bce":
        model.append(torch.nn.Sigmoid())
    model.eval()
    if ASKED.variant == "compile":
        from torch._inductor import config
        config.freezing = True
        model = torch.compile(model, dynamic=False)

    def steps(count):
        with torch.no_grad():
            for _ in range(count):
                outputs = model(x)
        return lambda: root_mean_square(outputs)

    return steps


X, Y = (torch.from_numpy(array) for array in workloads.batch(ASKED.work, ASKED.rows))
converse(training(ASKED.work, X, Y) if ASKED.kind == "train" else inference(ASKED.work, X))
