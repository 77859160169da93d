"""PyTorch; variant `eager` or `compile` (torch.compile, weights frozen in inference), with `+channels_last` for images. Fused optimizers."""
from protocol import converse, request, root_mean_square, workloads

ASKED = request()
import torch  # noqa: E402
from torch.nn import functional  # noqa: E402

from torch_network import network, optimizer  # noqa: E402

torch.set_num_threads(ASKED.threads)
torch.manual_seed(1)
COMPILES, CHANNELS_LAST = ASKED.variant.startswith("compile"), ASKED.variant.endswith("+channels_last")


def made(work):
    model = network(work)
    return model.to(memory_format=torch.channels_last) if CHANNELS_LAST else model


def training(work, x, y):
    model = made(work)
    rule = optimizer(work["optimizer"], model.parameters())
    judge = functional.binary_cross_entropy_with_logits if work["loss"] == "bce" else functional.cross_entropy

    def forward(x, y):
        scores = model(x)
        return judge(scores.flatten(0, 1), y.flatten()) if y.dim() == 2 and work["loss"] == "ce" else judge(scores, y)

    if COMPILES:
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
    model = made(work)
    if work["loss"] == "bce":
        model.append(torch.nn.Sigmoid())
    model.eval()
    if COMPILES:
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
if CHANNELS_LAST:
    X = X.to(memory_format=torch.channels_last)
converse(training(ASKED.work, X, Y) if ASKED.kind == "train" else inference(ASKED.work, X))
