/* What comes out: logs, weights files, figures, warnings, flags, and the native trainer as a process. */
#include <fcntl.h>
#include <sys/resource.h>
#include <sys/wait.h>
#include <unistd.h>

#include "scenario_support.h"

static size_t line_count(const char *text) {
  size_t count = 0;
  for (; *text != 0; text += 1) count += *text == '\n';
  return count;
}

const char *play_logs(const char *folder) {
  static run run;
  const char *names[] = {"log.csv", "log.jsonl"};
  for (int kind = 0; kind < 2; kind += 1) {
    char path[1024], checkpoint[1024];
    snprintf(path, sizeof path, "%s", path_in(folder, names[kind]));
    snprintf(checkpoint, sizeof checkpoint, "%s", path_in(folder, "log.checkpoint"));
    CHECK(begin(&run, &test_logistic, "batch|50\nepochs|3\nrate|0.5\nmetrics|auc", 50, 20, 0) == 0, "%s", run.error.message);
    run.recipe.log = strdup(path);
    run.recipe.checkpoint = strdup(checkpoint);
    run.options.gradient_health = true;
    CHECK(train(&run) == 0, "%s", run.error.message);
    size_t size = 0;
    char *first = slurp(path, &size);
    const char *head =
        kind == 0 ? "epoch,step,lr,loss,auc,val_loss,val_auc,seconds,gradient_ratio:dense1.weight,gradient_ratio:dense1.bias\n1,1,0.5,"
                  : "{\"epoch\":1,\"step\":1,\"lr\":0.5,\"loss\":";
    CHECK(first != NULL && strncmp(first, head, strlen(head)) == 0 && line_count(first) == (size_t)(4 - kind), "log: %.300s",
          first != NULL ? first : "none");
    CHECK(kind == 0 || strstr(first, ",\"val_auc\":0.") != NULL, "log: %.300s", first);
    /* A log that ran ahead of the checkpoint, and broke off in a line, is cut back to it. */
    FILE *file = fopen(path, "ab");
    CHECK(file != NULL, "cannot append to %s", path);
    fprintf(file, kind == 0 ? "4,4,0.5,9,9\n5,5,0" : "{\"epoch\":4,\"step\":4}\n{\"epo");
    fclose(file);
    run.options.resume = checkpoint;
    run.recipe.epochs = 5;
    CHECK(train(&run) == 0, "%s", run.error.message);
    char *second = slurp(path, &size);
    CHECK(second != NULL && line_count(second) == (size_t)(6 - kind) && strncmp(second, first, strlen(first)) == 0 &&
              second[size - 1] == '\n',
          "the resumed log: %s", second != NULL ? second : "none");
    free(first);
    free(second);
    end(&run);
  }
  return NULL;
}

const char *play_weights(const char *folder) {
  static run made, loaded, other;
  char path[1024];
  snprintf(path, sizeof path, "%s", path_in(folder, "logistic.safetensors"));
  CHECK(begin(&made, &test_logistic, "epochs|3\nrate|0.1", 60, 0, 0) == 0, "%s", made.error.message);
  made.options.save = path;
  CHECK(train(&made) == 0, "%s", made.error.message);
  CHECK(begin(&loaded, &test_logistic, "epochs|3", 60, 0, 0) == 0, "%s", loaded.error.message);
  CHECK(gradc_load_weights(loaded.trainer, path, &loaded.error) == 0, "%s", loaded.error.message);
  for (size_t index = 0; index < 5; index += 1) CHECK(parameter(&made, index) == parameter(&loaded, index), "parameter %zu differs", index);
  gradc_safetensors file;
  CHECK(gradc_safetensors_read(path, &file, &made.error) == 0, "%s", made.error.message);
  CHECK(file.tensor_count == 3 && strcmp(gradc_safetensors_metadata(&file, "gradc.model"), "logistic") == 0, "%zu tensors",
        file.tensor_count);
  gradc_safetensors_free(&file);
  CHECK(begin(&other, &test_line, "epochs|3", 60, 0, 0) == 0, "%s", other.error.message);
  CHECK(gradc_load_weights(other.trainer, path, &other.error) == 1 && strstr(other.error.message, "'line.weight'") != NULL,
        "another model's file: %s", other.error.message);
  float values[6] = {0};
  char name[] = "dense1.weight", bias[] = "dense1.bias", mean[] = "norm.mean";
  gradc_safetensor tensors[3] = {
      {.name = name, .dtype = GRADC_DTYPE_F32, .rank = 2, .dims = {5, 1}, .count = 5, .bytes = 20, .data = values},
      {.name = bias, .dtype = GRADC_DTYPE_F32, .rank = 1, .dims = {1}, .count = 1, .bytes = 4, .data = values},
      {.name = mean, .dtype = GRADC_DTYPE_F32, .rank = 1, .dims = {4}, .count = 4, .bytes = 16, .data = values}};
  CHECK(gradc_safetensors_write(path, tensors, 3, NULL, 0, &made.error) == 0, "%s", made.error.message);
  CHECK(gradc_load_weights(loaded.trainer, path, &loaded.error) == 1 && strstr(loaded.error.message, "[5, 1]") != NULL &&
            strstr(loaded.error.message, "[4, 1]") != NULL && strstr(loaded.error.message, "'dense1.weight'") != NULL,
        "%s", loaded.error.message);
  CHECK(parameter(&made, 0) == parameter(&loaded, 0), "a refused file changed the weights");
  end(&made);
  end(&loaded);
  end(&other);
  return NULL;
}

const char *play_evaluation(const char *folder) {
  static run run;
  (void)folder;
  CHECK(begin(&run, &test_logistic, "epochs|5\nrate|0.1\nmetrics|accuracy|auc", 200, 33, 70) == 0 && train(&run) == 0, "%s",
        run.error.message);
  size_t count = 0;
  const uint32_t *rows = gradc_dataset_part(&run.data, GRADC_PART_TEST, &count);
  float risk[70] = {0};
  void *outputs[] = {risk};
  CHECK(count == 70 && gradc_predict(run.trainer, &run.data, rows, count, outputs, &run.error) == 0, "%s", run.error.message);
  /* By hand, row by row. */
  const float *features = run.data.inputs[0].data, *labels = run.data.targets[0].data;
  uint64_t right = 0;
  double loss = 0;
  for (size_t row = 0; row < 70; row += 1) {
    double z = parameter(&run, 4), y = (double)labels[rows[row]];
    for (size_t index = 0; index < 4; index += 1) z += parameter(&run, index) * (double)features[rows[row] * 4 + index];
    double p = 1 / (1 + exp(-z));
    CHECK(fabs(p - (double)risk[row]) < 1e-6, "row %zu: %g, by hand %g", row, (double)risk[row], p);
    loss -= y > 0 ? log(p) : log(1 - p);
    right += (p >= 0.5) == (y > 0);
  }
  const gradc_evaluation *test = &run.history.test;
  CHECK(fabs(test->loss - loss / 70) < 1e-6 && fabs(test->metrics[0] - (double)right / 70) < 1e-12,
        "loss %g, by hand %g; accuracy %g, by hand %g", test->loss, loss / 70, test->metrics[0], (double)right / 70);
  CHECK(test->class_count == 2 && test->confusion[0] + test->confusion[1] + test->confusion[2] + test->confusion[3] == 70 &&
            test->confusion[0] + test->confusion[3] == right, "the confusion matrix does not add up");
  gradc_evaluation again;
  CHECK(gradc_evaluate(run.trainer, &run.recipe, &run.data, NULL, rows, count, &again, &run.error) == 0, "%s", run.error.message);
  CHECK(again.loss == test->loss && again.metrics[1] == test->metrics[1] && strcmp(gradc_evaluation_name(&again, 1), "auc") == 0,
        "evaluating again differs");
  char *summary = gradc_history_summary(&run.history, NULL);
  CHECK(summary != NULL && strstr(summary, "\ntest (70 rows)  loss ") != NULL && strstr(summary, "actual \\ predicted") != NULL,
        "summary: %s", summary);
  gradc_text_free(summary);
  gradc_evaluation_free(&again);
  end(&run);
  return NULL;
}

/* Twenty layers of width 32: first and last gradient norms of GOLDENS' row 25, a straight line of exponents between, and the weight norms
 * that the initialisers give (32 times their deviation). */
static gradc_health judge_network(double first, double last, double deviation, int *worst) {
  static const int64_t shape[] = {32, 32};
  gradc_tensor tensors[20];
  double gradients[20], weights[20];
  for (int layer = 0; layer < 20; layer += 1) {
    gradc_tensor tensor = {"layer.weight", 2, shape, (size_t)layer * 1024, 1024, 0, 1};
    tensors[layer] = tensor;
    gradients[layer] = first * pow(last / first, layer / 19.0);
    weights[layer] = 32 * deviation;
  }
  gradc_model model = {.tensor_count = 20, .tensors = tensors};
  return gradc_judge_gradients(&model, gradients, weights, worst);
}

const char *play_health(const char *folder) {
  (void)folder;
  int worst = -1;
  CHECK(judge_network(3e-13, 3.9, 0.17678, &worst) == GRADC_HEALTH_VANISHING && worst == 0, "sigmoid + xavier is not vanishing (layer %d)",
        worst);
  CHECK(judge_network(7.8, 21, 0.25, &worst) == GRADC_HEALTH_GOOD && worst == -1, "relu + he is not good");
  CHECK(judge_network(4e12, 9.5e12, 1, &worst) == GRADC_HEALTH_EXPLODING && worst == 19, "relu + N(0,1) is not exploding (layer %d)",
        worst);
  CHECK(judge_network(2.6e-26, 4.3e-26, 0.01, &worst) == GRADC_HEALTH_VANISHING, "relu + N(0,.01) is not vanishing");
  CHECK(judge_network((double)NAN, 1, 1, &worst) == GRADC_HEALTH_EXPLODING, "NaN is not exploding");
  static run run;
  CHECK(begin(&run, &test_line, "epochs|2\nrate|0.0000000001", 50, 0, 0) == 0, "%s", run.error.message);
  for (int row = 0; row < 50; row += 1) ((double *)run.data.inputs[0].data)[row] *= 1e-9;
  run.options.gradient_health = true;
  CHECK(train(&run) == 0 && strstr(run.warned, "gradients vanish: the gradient of 'line.weight'") != NULL &&
            strstr(run.warned, "step 1)") != NULL,
        "no warning for inputs of 1e-9: %s", run.warned);
  end(&run);
  CHECK(begin(&run, &test_line, "epochs|100\nrate|0.3", 50, 0, 0) == 0, "%s", run.error.message);
  run.options.gradient_health = true;
  CHECK(train(&run) == 0 && run.warned[0] == 0, "a line that was learnt well: %s", run.warned);
  end(&run);
  return NULL;
}

const char *play_flags(const char *folder) {
  (void)folder;
  gradc_recipe recipe;
  gradc_train_options options = {0};
  gradc_error error = {0};
  gradc_recipe_init(&recipe);
  const char *const good[][2] = {{"epochs", "12"},
                                 {"batch-size", "all"},
                                 {"batch_size", "64"},
                                 {"lr", "0.25"},
                                 {"seed", "18446744073709551615"},
                                 {"patience", "4"},
                                 {"no-shuffle", NULL},
                                 {"threads", "2"},
                                 {"validation-split", "0.25"},
                                 {"accumulate", "3"},
                                 {"progress", "never"},
                                 {"save", "a.safetensors"},
                                 {"quiet", NULL},
                                 {"metrics", "auc,f1"},
                                 {"log", "my log.csv"}};
  for (size_t index = 0; index < sizeof good / sizeof good[0]; index += 1)
    CHECK(gradc_train_flag(good[index][0], good[index][1], &recipe, &options, &error) == 0, "--%s: %s", good[index][0], error.message);
  CHECK(recipe.epochs == 12 && recipe.batch == 64 && recipe.rate == 0.25 && recipe.seed == UINT64_MAX && recipe.early_stopping &&
            recipe.patience == 4 && !recipe.shuffle && recipe.validation_share == 0.25 && recipe.metrics.count == 2 &&
            strcmp(recipe.log, "my log.csv") == 0,
        "the recipe");
  CHECK(options.threads == 2 && recipe.accumulate == 3 && options.progress == GRADC_PROGRESS_NEVER && options.quiet &&
            strcmp(options.save, "a.safetensors") == 0, "the options");
  const char *const bad[][3] = {{"epocs", "3", "--epochs"},         {"epochs", "x", "x"},       {"epochs", NULL, "needs a value"},
                                {"quiet", "yes", "takes no value"}, {"threads", "0", "from 1"}, {"threads", "1.5", "whole"},
                                {"progress", "maybe", "auto"},      {"lr", "-1", "above 0"}};
  for (size_t index = 0; index < sizeof bad / sizeof bad[0]; index += 1)
    CHECK(gradc_train_flag(bad[index][0], bad[index][1], &recipe, &options, &error) == 2 && strstr(error.message, bad[index][2]) != NULL,
          "--%s %s: %s", bad[index][0], bad[index][1] != NULL ? bad[index][1] : "", error.message);
  gradc_recipe_free(&recipe);
  return NULL;
}

static int run_trainer(const char *folder, const char *recipe, const char *const *words, int count, struct rusage *usage) {
  fflush(NULL);
  pid_t child = fork();
  if (child == 0) {
    char *arguments[16] = {NULL};
    arguments[0] = strdup("trainer");
    for (int index = 0; index < count; index += 1) arguments[index + 1] = strdup(words[index]);
    int out = open(path_in(folder, "out.txt"), O_WRONLY | O_CREAT | O_TRUNC, 0644),
        err = open(path_in(folder, "err.txt"), O_WRONLY | O_CREAT | O_TRUNC, 0644);
    if (out < 0 || err < 0 || dup2(out, 1) < 0 || dup2(err, 2) < 0 || chdir(folder) != 0) _exit(99);
    int code = gradc_trainer_main(&test_logistic, recipe, count + 1, arguments);
    fflush(NULL);
    _exit(code);
  }
  int status = -1;
  wait4(child, &status, 0, usage);
  return WIFEXITED(status) ? WEXITSTATUS(status) : -1;
}

const char *play_native_trainer(const char *folder) {
  const char *data = path_in(folder, "data.csv");
  FILE *file = fopen(data, "wb");
  CHECK(file != NULL, "cannot write %s", data);
  fprintf(file, "a,b,c,d,ignored,y\n");
  for (uint64_t row = 0; row < 300; row += 1) {
    uint64_t label = gradc_random(2, row) & 1u;
    for (uint64_t index = 0; index < 4; index += 1)
      fprintf(file, "%.6f,", (double)(gradc_random(3, row * 4 + index) >> 11) * 0x1p-52 - 1 + ((double)label - 0.5) * (double)(index + 1));
    fprintf(file, "x,%llu\n", (unsigned long long)label);
  }
  fclose(file);
  const char *recipe =
      "csv\tabsent.csv\ntarget\ty\nstandardize\ta\tb\tc\td\nsplit\ttrain\t0.7\tvalidation\t0.15\ttest\t0."
      "15\tseed\t42\nbatch\t32\nepochs\t20\n"
      "rate\t0.1\noptimizer\tmomentum\nmetrics\taccuracy\tauc\nearly_stopping\tpatience=20\nclip_norm\t1\n";
  struct rusage usage;
  const char *const words[] = {"--data",       "data.csv",       "--epochs=5",  "--log", "log.csv",
                               "--checkpoint", "run.checkpoint", "--clip-norm", "1"};
  int code = run_trainer(folder, recipe, words, 9, &usage);
  size_t size = 0;
  char *out = slurp(path_in(folder, "out.txt"), &size), *err = slurp(path_in(folder, "err.txt"), &size);
  CHECK(code == 0, "exit code %d: %s", code, err);
  CHECK(strstr(out, "\nepoch 5/5  loss 0.") != NULL && strstr(out, "\ntest (45 rows)  loss 0.") != NULL &&
            strstr(out, "wrote logistic.safetensors") != NULL,
        "stdout: %s", out);
  CHECK(strstr(err, "ignored: ignored") != NULL, "stderr: %s", err);
  CHECK(access(path_in(folder, "logistic.safetensors"), R_OK) == 0 && access(path_in(folder, "run.checkpoint"), R_OK) == 0,
        "files are missing");
  free(out);
  free(err);
  const struct { const char *words[3]; int count, code; const char *says; } cases[] = {
      {{"--help"}, 1, 0, ""}, {{"--version"}, 1, 0, ""},
      {{"--optimizer", "adam"}, 2, 2, "compiled into this trainer"},
      {{"--clip-norm=2"}, 1, 2, "compiled into this trainer"},
      {{"--loss", "mse"}, 2, 2, "compiled into this trainer"},
      {{"--epoch", "3"}, 2, 2, "did you mean --epochs"},
      {{"data.csv"}, 1, 2, "expected a flag"},
      {{"--epochs"}, 1, 2, "needs a value"},
      {{"--epochs", "3"}, 2, 1, "absent.csv"},
      {{"--data", "data.csv", "--resume=data.csv"}, 3, 1, "not a gradc checkpoint"},
  };
  for (size_t index = 0; index < sizeof cases / sizeof cases[0]; index += 1) {
    code = run_trainer(folder, recipe, cases[index].words, cases[index].count, &usage);
    err = slurp(path_in(folder, "err.txt"), &size);
    CHECK(code == cases[index].code && strstr(err, cases[index].says) != NULL, "%s: exit code %d, %s", cases[index].words[0], code, err);
    free(err);
  }
  return NULL;
}
