"""JAX, for tables: one jitted step whose state is donated. With one thread the process keeps to one core."""
import os

from protocol import converse, request, root_mean_square, workloads

ASKED = request()
if ASKED.threads == 1:
    os.environ["XLA_FLAGS"] = " ".join([os.environ.get("XLA_FLAGS", ""), "--xla_cpu_multi_thread_eigen=false"])
    os.sched_setaffinity(0, [max(os.sched_getaffinity(0))])
import jax  # noqa: E402
import jax.numpy as jnp  # noqa: E402

KEY = jax.random.key(1)


def forward(work, pairs, x, key=None):
    """`key` makes it a training pass."""
    used = 0
    for number, layer in enumerate(work["layers"]):
        if layer[0] == "dense":
            weight, bias = pairs[used]
            x, used = x @ weight + bias, used + 1
        elif layer[0] == "relu":
            x = jax.nn.relu(x)
        elif key is not None:
            kept = 1 - layer[1]
            x = jnp.where(jax.random.bernoulli(jax.random.fold_in(key, number), kept, x.shape), x / kept, 0.0)
    return x


def loss_of(work, pairs, x, y, key):
    logits = forward(work, pairs, x, key)
    if work["loss"] == "bce":
        return jnp.mean(jax.nn.softplus(logits) - y * logits)
    return -jnp.mean(jnp.take_along_axis(jax.nn.log_softmax(logits), y[:, None], axis=1))


def updated(settings, state, gradients):
    """state: parameters, a tuple of moment trees, count of steps."""
    pairs, moments, count = state
    count = count + 1
    if settings["rule"] == "momentum":
        velocity = jax.tree.map(lambda v, g: settings["momentum"] * v + g, moments[0], gradients)
        return jax.tree.map(lambda p, v: p - settings["rate"] * v, pairs, velocity), (velocity,), count
    b1, b2 = settings["beta1"], settings["beta2"]
    first = jax.tree.map(lambda m, g: b1 * m + (1 - b1) * g, moments[0], gradients)
    second = jax.tree.map(lambda m, g: b2 * m + (1 - b2) * g * g, moments[1], gradients)
    c1, c2 = 1 - b1 ** count.astype(jnp.float32), 1 - b2 ** count.astype(jnp.float32)
    moved = jax.tree.map(
        lambda p, m, v: p - settings["rate"] * (m / c1) / (jnp.sqrt(v / c2) + settings["epsilon"]), pairs, first, second)
    return moved, (first, second), count


def training(work, pairs, x, y):
    def step(state, x, y):
        key = jax.random.fold_in(KEY, state[2])
        loss, gradients = jax.value_and_grad(lambda pairs: loss_of(work, pairs, x, y, key))(state[0])
        return updated(work["optimizer"], state, gradients), loss

    step = jax.jit(step, donate_argnums=0)
    count = 1 if work["optimizer"]["rule"] == "momentum" else 2
    held = [(pairs, tuple(jax.tree.map(jnp.zeros_like, pairs) for _ in range(count)), jnp.int32(0))]

    def steps(number):
        state = held[0]
        for _ in range(number):
            state, loss = step(state, x, y)
        held[0] = jax.block_until_ready(state)
        return lambda: float(loss)

    return steps


def inference(work, pairs, x):
    last = jax.nn.sigmoid if work["loss"] == "bce" else lambda logits: logits
    model = jax.jit(lambda pairs, x: last(forward(work, pairs, x)))

    def steps(number):
        for _ in range(number):
            outputs = model(pairs, x)
        outputs.block_until_ready()
        return lambda: root_mean_square(outputs)

    return steps


PAIRS = [tuple(map(jnp.asarray, arrays)) for arrays in workloads.parameters(ASKED.work["layers"]) if arrays]
X, Y = (jnp.asarray(array) for array in workloads.batch(ASKED.work, ASKED.rows))
converse(training(ASKED.work, PAIRS, X, Y) if ASKED.kind == "train" else inference(ASKED.work, PAIRS, X))
