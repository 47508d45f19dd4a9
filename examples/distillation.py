"""Knowledge distillation in a training loop of your own: a small network learns from a run.

    python -m launch.train --model=cnn4 --dataset=synthetic --workdir=runs/teacher
    python -m examples.distillation runs/teacher runs/student

The loop is about thirty lines; data, augmentation, evaluation, checkpoints and the report are
ferjax's. Stopped and started again, it goes on from its last epoch.
"""

import sys

import jax
import optax

import ferjax

TEMPERATURE, TEACHER_SHARE = 3.0, 0.7


def distil(
    teacher_run: str,
    workdir: str,
    data: ferjax.DatasetBundle | None = None,
    epochs: int = 5,
    batch_size: int = 64,
) -> float:
    """Trains base_cnn on labels and on a teacher's soft targets; returns its val accuracy."""
    teacher = ferjax.load_run(teacher_run)
    data = data or ferjax.load_dataset("synthetic", image_size=teacher.spec.storage[0])
    train, val = data.splits["train"], data.splits["val"]
    student = ferjax.create_model("base_cnn", len(data.classes))
    optimizer = optax.adam(1e-3)

    def loss_fn(params, images, soft, labels, key):
        logits = student.apply({"params": params}, images, train=True, rngs={"dropout": key})
        hard = optax.softmax_cross_entropy_with_integer_labels(logits, labels).mean()
        distance = optax.softmax_cross_entropy(logits / TEMPERATURE, soft).mean()
        share = TEACHER_SHARE * TEMPERATURE**2
        return share * distance + (1 - TEACHER_SHARE) * hard, logits

    @jax.jit
    def step(state, sums, batch):
        key = jax.random.fold_in(jax.random.key(0), state.step)
        images = ferjax.augment(batch["image"], teacher.spec, "standard", key, batch["index"])
        soft = teacher.model.apply(teacher.variables, images, train=False)
        soft = jax.nn.softmax(soft / TEMPERATURE)
        gradient = jax.value_and_grad(loss_fn, has_aux=True)
        (loss, logits), grads = gradient(state.params, images, soft, batch["label"], key)
        updates, slots = optimizer.update(grads, state.opt_state, state.params)
        params = optax.apply_updates(state.params, updates)
        hits, rows = (logits.argmax(-1) == batch["label"]).sum(), len(logits)
        sums = sums._replace(
            loss=sums.loss + loss * rows,
            weight=sums.weight + rows,
            correct=sums.correct + hits,
            count=sums.count + rows,
        )
        return state.replace(step=state.step + 1, params=params, opt_state=slots), sums

    with ferjax.open_run(
        workdir, "base_cnn", teacher.spec, data.classes, splits=data.splits
    ) as run:
        state, sums = run.restore(ferjax.init_state(student, optimizer, teacher.spec)), None
        for batch in ferjax.batches(train, batch_size, epochs=epochs, first_step=int(state.step)):
            state, sums = step(state, sums or ferjax.zero_sums(), batch)
            epoch, rest = divmod(int(state.step), len(train) // batch_size)
            if rest == 0:
                logits = ferjax.split_logits(student, teacher.spec, {"params": state.params}, val)
                run.finish_epoch(epoch, state, sums, logits, val.labels)
                sums = None
        best = ferjax.load_run(workdir)
        splits = {name: data.splits[name] for name in ("val", "test")}
        logits = {
            name: ferjax.split_logits(best.model, best.spec, best.variables, split)
            for name, split in splits.items()
        }
        print(ferjax.write_own_report(run, "base_cnn, distilled", logits, splits))
    return ferjax.metrics(logits["val"], val.labels, data.classes)["accuracy"]


if __name__ == "__main__":
    distil(*sys.argv[1:3])
