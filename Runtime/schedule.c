/* schedule.c: the rate as a function of time, reduce-on-plateau and early stopping.
 *
 * A schedule counts in epochs (per=epoch, the default) or in updates (per=step), from the end of the warm-up.
 */
#include "train_internal.h"

#include <math.h>
#include <stdlib.h>
#include <string.h>

/* The rate of a recipe that names none: the same as the compiler's optimizers have. */
static double default_rate(const char *optimizer) {
  static const struct { const char *name; double rate; } rates[] = {
      {"sgd", 0.01}, {"momentum", 0.01}, {"nesterov", 0.01}, {"adagrad", 0.01}, {"rmsprop", 0.01}, {"adadelta", 1},
  };
  for (size_t index = 0; optimizer != NULL && index < sizeof rates / sizeof rates[0]; index += 1)
    if (strcmp(optimizer, rates[index].name) == 0) return rates[index].rate;
  return 0.001;
}

static int check_keys(const gradc_choice *choice, const char *const *keys, size_t count, gradc_error *error) {
  for (size_t index = 0; index < choice->count; index += 1) {
    const char *key = choice->settings[index].key;
    bool known = strcmp(key, "per") == 0;
    for (size_t other = 0; other < count && !known; other += 1) known = strcmp(key, keys[other]) == 0;
    if (!known) {
      ptrdiff_t nearest = gradc_nearest_name(key, keys, count);
      return gradc_fail(error, GRADC_EXIT_DATA, "schedule '%s' has no setting '%s'%s%s%s", choice->name, key,
                        nearest >= 0 ? "; did you mean '" : "", nearest >= 0 ? keys[nearest] : "", nearest >= 0 ? "'?" : "");
    }
    if (strcmp(key, "per") != 0 && !isfinite(choice->settings[index].value))
      return gradc_fail(error, GRADC_EXIT_DATA, "schedule '%s': '%s' is '%s', a number was expected", choice->name, key,
                        choice->settings[index].text);
  }
  return 0;
}

typedef struct schedule_form {
  const char *name;
  gradc_schedule_kind kind;
  const char *keys[5];
  size_t key_count;
} schedule_form;

static const schedule_form forms[] = {
    {"constant", GRADC_SCHEDULE_CONSTANT, {NULL}, 0},
    {"step", GRADC_SCHEDULE_STEP, {"every", "factor"}, 2},
    {"exponential", GRADC_SCHEDULE_EXPONENTIAL, {"decay", "every"}, 2},
    {"cosine", GRADC_SCHEDULE_COSINE, {"total", "minimum"}, 2},
    {"plateau", GRADC_SCHEDULE_PLATEAU, {"factor", "patience", "min_delta", "cooldown", "min_rate"}, 5},
};

static int check_ranges(const gradc_schedule *schedule, gradc_error *error) {
  const char *wrong = NULL;
  if (!(schedule->base > 0) || !isfinite(schedule->base)) wrong = "the rate is not above 0";
  else if (!(schedule->every > 0)) wrong = "every is not above 0";
  else if (!(schedule->factor > 0)) wrong = "the factor is not above 0";
  else if (schedule->kind == GRADC_SCHEDULE_PLATEAU && schedule->factor >= 1) wrong = "plateau's factor is not below 1";
  else if (!(schedule->total > 0)) wrong = "total is not above 0";
  else if (schedule->minimum < 0) wrong = "the smallest rate is below 0";
  else if (schedule->patience < 0 || schedule->cooldown < 0 || schedule->min_delta < 0)
    wrong = "patience, cooldown or min_delta is below 0";
  return wrong == NULL ? 0 : gradc_fail(error, GRADC_EXIT_DATA, "the schedule cannot be: %s", wrong);
}

int gradc_schedule_read(const gradc_recipe *recipe, int64_t epoch_steps, gradc_schedule *schedule, gradc_error *error) {
  const gradc_choice *choice = &recipe->schedule;
  const schedule_form *form = &forms[0];
  if (choice->name != NULL) {
    form = NULL;
    for (size_t index = 0; index < sizeof forms / sizeof forms[0]; index += 1)
      if (strcmp(choice->name, forms[index].name) == 0) form = &forms[index];
    if (form == NULL)
      return gradc_fail(error, GRADC_EXIT_DATA, "unknown schedule '%s': constant, step, exponential, cosine and plateau are known",
                        choice->name);
    int code = check_keys(choice, form->keys, form->key_count, error);
    if (code != 0) return code;
  }
  const char *per = gradc_choice_text(choice, "per");
  if (per != NULL && strcmp(per, "epoch") != 0 && strcmp(per, "step") != 0)
    return gradc_fail(error, GRADC_EXIT_DATA, "schedule '%s': per is '%s', epoch or step was expected", choice->name, per);
  bool per_step = per != NULL && strcmp(per, "step") == 0;
  int64_t warm_epochs = epoch_steps > 0 ? recipe->warmup / epoch_steps : 0;
  double whole = (double)(per_step ? recipe->epochs * epoch_steps - recipe->warmup : recipe->epochs - warm_epochs);
  double rate = recipe->rate > 0 ? recipe->rate : gradc_choice_number(&recipe->optimizer, "rate", default_rate(recipe->optimizer.name));
  gradc_schedule read = {
      .kind = form->kind,
      .per_step = per_step,
      .base = rate,
      .every = gradc_choice_number(choice, "every", form->kind == GRADC_SCHEDULE_STEP ? 10 : 1),
      .factor = form->kind == GRADC_SCHEDULE_EXPONENTIAL ? gradc_choice_number(choice, "decay", 0.96)
                                                         : gradc_choice_number(choice, "factor", 0.1),
      .total = gradc_choice_number(choice, "total", whole > 1 ? whole : 1),
      .minimum = gradc_choice_number(choice, form->kind == GRADC_SCHEDULE_PLATEAU ? "min_rate" : "minimum", 0),
      .patience = gradc_choice_number(choice, "patience", 10),
      .min_delta = gradc_choice_number(choice, "min_delta", 1e-4),
      .cooldown = gradc_choice_number(choice, "cooldown", 0),
      .warmup = recipe->warmup,
      .epoch_steps = epoch_steps,
  };
  *schedule = read;
  return check_ranges(schedule, error);
}

double gradc_schedule_rate(const gradc_schedule *schedule, double base, int64_t step, int64_t epoch) {
  int64_t warm_epochs = schedule->epoch_steps > 0 ? schedule->warmup / schedule->epoch_steps : 0;
  int64_t whole = schedule->per_step ? step - schedule->warmup : epoch - warm_epochs;
  double time = whole > 0 ? (double)whole : 0, rate = base;
  switch (schedule->kind) {
    case GRADC_SCHEDULE_CONSTANT:
    case GRADC_SCHEDULE_PLATEAU: break;
    case GRADC_SCHEDULE_STEP: rate = base * pow(schedule->factor, floor(time / schedule->every)); break;
    case GRADC_SCHEDULE_EXPONENTIAL: rate = base * pow(schedule->factor, time / schedule->every); break;
    case GRADC_SCHEDULE_COSINE: {
      double part = time < schedule->total ? time / schedule->total : 1;
      rate = schedule->minimum + (base - schedule->minimum) * 0.5 * (1 + cos(3.14159265358979323846 * part));
      break;
    }
  }
  if (step < schedule->warmup) rate *= (double)(step + 1) / (double)schedule->warmup;
  return rate;
}

bool gradc_is_better(double value, double best, double min_delta, bool larger_is_better) {
  if (isnan(best)) return !isnan(value);
  return larger_is_better ? value - min_delta > best : value + min_delta < best;
}

bool gradc_plateau_update(const gradc_schedule *schedule, gradc_loop_state *state, double value, bool larger_is_better) {
  if (schedule->kind != GRADC_SCHEDULE_PLATEAU) return false;
  if (state->plateau_cooldown > 0) {
    state->plateau_cooldown -= 1;
    state->plateau_wait = 0;
  }
  double best = state->plateau_best, delta = schedule->min_delta;
  /* Keras compares with best - min_delta here, where early stopping adds min_delta to the value: not the same in the last bit. */
  if (isnan(best) ? !isnan(value) : larger_is_better ? value > best + delta : value < best - delta) {
    state->plateau_best = value;
    state->plateau_wait = 0;
    return false;
  }
  if (state->plateau_cooldown > 0) return false;
  state->plateau_wait += 1;
  if ((double)state->plateau_wait < schedule->patience || !(state->base_rate > schedule->minimum)) return false;
  double rate = state->base_rate * schedule->factor;
  state->base_rate = rate > schedule->minimum ? rate : schedule->minimum;
  state->plateau_cooldown = (int64_t)schedule->cooldown;
  state->plateau_wait = 0;
  return true;
}

void gradc_stopping_update(const gradc_recipe *recipe, gradc_loop_state *state, double value, bool larger_is_better) {
  if (!recipe->early_stopping) return;
  state->stopping_wait += 1;
  if (gradc_is_better(value, state->stopping_best, recipe->min_delta, larger_is_better)) {
    state->stopping_best = value;
    state->stopping_wait = 0;
  }
}

bool gradc_stopping_due(const gradc_recipe *recipe, const gradc_loop_state *state) {
  return recipe->early_stopping && state->epoch > 1 && state->stopping_wait > 0 && state->stopping_wait >= recipe->patience;
}
