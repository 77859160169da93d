/* image_read.c: a dataset of images by recipe: shape, files, labels, split, statistics. */
#include "image_read.h"

#ifdef GRADC_IMAGES
#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

/* ---- The shape that is wanted ---- */

/* The input's dimensions, as far as they say anything of images. */
static void shape_of_port(const gradc_port *port, bool channels_last, gradc_image_encoding *e) {
  if (!port || !port->dims) return;
  const int64_t *dims = port->dims;
  if (port->rank == 4) {
    e->channels = (size_t)dims[channels_last ? 3 : 1];
    e->height = (size_t)dims[channels_last ? 1 : 2];
    e->width = (size_t)dims[channels_last ? 2 : 3];
  } else if (port->rank == 3) {
    e->channels = 1;
    e->height = (size_t)dims[1];
    e->width = (size_t)dims[2];
  }
}

static int decide_shape(const gradc_recipe *recipe, const gradc_port *port, const gradc_encoder *given, gradc_image_encoding *e,
                        gradc_error *error) {
  const gradc_image_recipe *images = &recipe->images;
  *e = (gradc_image_encoding){.channels_last = images->channels_last, .scale = 1};
  if (given) {
    if (!given->images)
      return gradc_fail(error, GRADC_EXIT_DATA, "the weights were trained on a table, and the data are images");
    return gradc_image_encoding_copy(given->images, e, error);
  }
  shape_of_port(port, images->channels_last, e);
  if (images->channels && e->channels && (size_t)images->channels != e->channels)
    return gradc_fail(error, GRADC_EXIT_DATA, "the data block says color %s, the model's input \"%s\" has %zu channels",
                      images->channels == 1 ? "gray" : "rgb", port->name, e->channels);
  if (images->height && e->height && ((size_t)images->height != e->height || (size_t)images->width != e->width))
    return gradc_fail(error, GRADC_EXIT_DATA, "the data block says image_size %lld %lld, the model's input \"%s\" has %zu x %zu",
                      (long long)images->height, (long long)images->width, port->name, e->height, e->width);
  if (images->channels) e->channels = (size_t)images->channels;
  if (images->height) {
    e->height = (size_t)images->height;
    e->width = (size_t)images->width;
  }
  /* A row of as many values as a size has pixels is grey, of three times as many coloured. */
  if (port && e->channels == 0 && e->height && port->row_count % (e->height * e->width) == 0)
    e->channels = port->row_count / (e->height * e->width);
  return 0;
}

static int check_port(const gradc_port *port, const gradc_images *images, gradc_error *error) {
  if (!port) return 0;
  const gradc_image_encoding *e = &images->encoding;
  if (port->element != GRADC_F32 && port->element != GRADC_F64)
    return gradc_fail(error, GRADC_EXIT_UNSUPPORTED, "the model's input \"%s\" does not hold floating point numbers, which images become",
                      port->name);
  if (port->row_count == e->channels * e->height * e->width) return 0;
  return gradc_fail(error, GRADC_EXIT_DATA, "the images have %zu x %zu x %zu = %zu values, the model's input \"%s\" takes %zu", e->channels,
                    e->height, e->width, e->channels * e->height * e->width, port->name, port->row_count);
}

/* ---- Reading ---- */

static bool ends_in(const char *path, const char *ending) {
  const size_t length = strlen(path), tail = strlen(ending);
  return length >= tail && strcmp(path + length - tail, ending) == 0;
}

/* What a path given instead of the recipe's is: its name says it, else it is of the recipe's kind. */
static gradc_source source_of(const char *path, gradc_source recipe) {
  struct stat status;
  if (stat(path, &status) == 0 && S_ISDIR(status.st_mode)) return GRADC_SOURCE_FOLDER;
  if (ends_in(path, ".npz")) return GRADC_SOURCE_NPZ;
  if (ends_in(path, ".npy")) return GRADC_SOURCE_NPY;
  return recipe == GRADC_SOURCE_FOLDER && !gradc_is_image_file(path) ? GRADC_SOURCE_IDX : recipe;
}

/* `files` are one source: the images' file, and where labels are apart, theirs. */
static int read_source(gradc_image_intake *intake, gradc_source source, const char *const *files, size_t count) {
  int code = 0;
  switch (source) {
    case GRADC_SOURCE_IDX: return gradc_read_idx_images(intake, files[0], count > 1 ? files[1] : NULL);
    case GRADC_SOURCE_NPY: return gradc_read_npy_images(intake, files[0], count > 1 ? files[1] : NULL);
    case GRADC_SOURCE_NPZ: return gradc_read_npz_images(intake, files[0]);
    case GRADC_SOURCE_FOLDER: return gradc_read_folder_images(intake, files[0]);
    case GRADC_SOURCE_CIFAR:
      for (size_t i = 0; i < count && !code; i++) code = gradc_read_cifar_images(intake, files[i]);
      return code;
    case GRADC_SOURCE_NONE:
    case GRADC_SOURCE_CSV:
    case GRADC_SOURCE_TEXT: break;
  }
  return gradc_fail(intake->error, GRADC_EXIT_DATA, "the weights were trained on images, and the recipe's data are a table");
}

static int read_training(gradc_image_intake *intake, const gradc_load_options *options) {
  const gradc_recipe *recipe = intake->recipe;
  const char *two[] = {options->path ? options->path : recipe->path, options->path ? options->targets_path : recipe->targets_path};
  if (options->path) {
    if (gradc_is_image_file(options->path)) return gradc_read_image_files(intake, two, 1);
    const gradc_source source = source_of(options->path, recipe->source);
    intake->resize = intake->resize || source == GRADC_SOURCE_FOLDER;
    return read_source(intake, source, two, two[1] ? 2 : 1);
  }
  int code = read_source(intake, recipe->source, two, two[1] ? 2 : 1);
  for (size_t i = 0; i < recipe->images.more_file_count && !code; i++) {
    const char *file = recipe->images.more_files[i];
    code = read_source(intake, recipe->source, &file, 1);
  }
  if (code && access(recipe->path, F_OK) != 0)
    return gradc_fail(intake->error, GRADC_EXIT_DATA, "cannot open %s, which the recipe names; --data PATH names another", recipe->path);
  return code;
}

static int read_test(gradc_image_intake *intake) {
  const gradc_image_recipe *images = &intake->recipe->images;
  const char *files[2] = {NULL, NULL};
  if (intake->recipe->source == GRADC_SOURCE_CIFAR) {
    int code = 0;
    for (size_t i = 0; i < images->test_file_count && !code; i++) code = gradc_read_cifar_images(intake, images->test_files[i]);
    return code;
  }
  const size_t most = intake->recipe->source == GRADC_SOURCE_IDX || intake->recipe->source == GRADC_SOURCE_NPY ? 2 : 1;
  if (images->test_file_count > most)
    return gradc_fail(intake->error, GRADC_EXIT_DATA, "test_data names %zu files, expected at most %zu, as the training data",
                      images->test_file_count, most);
  for (size_t i = 0; i < images->test_file_count; i++) files[i] = images->test_files[i];
  return read_source(intake, intake->recipe->source, files, images->test_file_count);
}

/* ---- Labels ---- */

/* Whether all labels are class indices, and the largest. */
static bool are_classes(const gradc_image_intake *intake, size_t *most) {
  *most = 0;
  if (intake->label_width != 1) return false;
  for (size_t i = 0; i < intake->images->count; i++) {
    const double label = intake->labels[i];
    if (!(label >= 0 && label <= 65535 && floor(label) == label)) return false;
    if ((size_t)label > *most) *most = (size_t)label;
  }
  return true;
}

/* The classes of numbered labels: as many as the model tells apart. */
static int number_classes(gradc_image_intake *intake, const gradc_model *model, size_t most) {
  if (intake->classes_given && intake->classes.labels.count <= most)
    return gradc_fail(intake->error, GRADC_EXIT_DATA, "class_names has %zu names, and there are labels up to %zu",
                      intake->classes.labels.count, most);
  size_t count = most + 1;
  if (model && model->task == GRADC_TASK_CLASSES && model->output_count && model->outputs[0].row_count > count)
    count = model->outputs[0].row_count;
  if (intake->classes.labels.count >= count) return 0;
  gradc_categories_free(&intake->classes);
  for (size_t i = 0; i < count; i++) {
    char text[24];
    const int length = snprintf(text, sizeof text, "%zu", i);
    if (!gradc_strings_add(&intake->classes.labels, text, (size_t)length, intake->error)) return GRADC_EXIT_DATA;
  }
  return gradc_categories_sort(&intake->classes, NULL, intake->error);
}

static int check_class_count(const gradc_image_intake *intake, const gradc_model *model) {
  if (!intake->classes_given || !model || model->task != GRADC_TASK_CLASSES || !model->output_count) return 0;
  const size_t outputs = model->outputs[0].row_count, classes = intake->classes.labels.count;
  if (outputs == classes) return 0;
  return gradc_fail(intake->error, GRADC_EXIT_DATA,
                    "the data have %zu classes, the model's output \"%s\" has %zu; give the last layer %zu units", classes,
                    model->outputs[0].name, outputs, classes);
}

static int label_error(const gradc_image_intake *intake, size_t row, double label, const char *expected, size_t classes) {
  const char *file = row < intake->names.count ? intake->names.items[row] : intake->recipe->path;
  if (classes)
    return gradc_fail(intake->error, GRADC_EXIT_DATA, "%s: image %zu: the label %g is out of range, expected %s from 0 to %zu", file,
                      row + 1,
                      label, expected, classes - 1);
  return gradc_fail(intake->error, GRADC_EXIT_DATA, "%s: image %zu: the label %g is out of range, expected %s", file, row + 1, label,
                    expected);
}

static int add_targets(const gradc_image_intake *intake, const gradc_model *model, gradc_dataset *dataset) {
  const size_t width = intake->label_width;
  const gradc_port unknown = {.name = "target", .element = GRADC_F32, .row_count = width};
  gradc_target_form form = GRADC_FORM_NUMBER;
  size_t classes = 0;
  if (model && model->target_count == 0) return 0;
  if (model && model->target_count != 1)
    return gradc_fail(intake->error, GRADC_EXIT_DATA, "images have one label each, the model has %d targets", model->target_count);
  const gradc_port *port = model ? &model->targets[0] : &unknown;
  int code = gradc_target_form_of(model, 0, port, width, &form, &classes, intake->error);
  if (code) return code;
  dataset->targets = gradc_allocate(1, sizeof *dataset->targets, intake->error);
  if (!dataset->targets) return GRADC_EXIT_DATA;
  dataset->target_count = 1;
  code = gradc_dataset_add_port(dataset->targets, port->name, port->element, port->row_count, dataset->row_count, intake->error);
  for (size_t i = 0; i < dataset->row_count * width && !code; i++) {
    const char *expected = gradc_store_target(dataset->targets, i / width, i % width, intake->labels[i], form, classes);
    if (expected) code = label_error(intake, i / width, intake->labels[i], expected, classes);
  }
  return code;
}

/* ---- The dataset ---- */

static int add_input(const gradc_model *model, const gradc_images *images, gradc_dataset *dataset, gradc_error *error) {
  const gradc_image_encoding *e = &images->encoding;
  const gradc_port *port = model ? &model->inputs[0] : NULL;
  const char *name = port ? port->name : "image";
  dataset->inputs = gradc_allocate(1, sizeof *dataset->inputs, error);
  if (!dataset->inputs) return GRADC_EXIT_DATA;
  dataset->input_count = 1;
  gradc_port_data *input = dataset->inputs;
  input->element = port ? port->element : GRADC_F32;
  input->row_count = e->channels * e->height * e->width;
  input->row_bytes = input->row_count * gradc_element_bytes(input->element);
  input->step_bytes = input->row_bytes;
  input->name = gradc_copy_text(name, strlen(name), error);
  dataset->source_rows = gradc_allocate(dataset->row_count, sizeof *dataset->source_rows, error);
  if (!input->name || !dataset->source_rows) return GRADC_EXIT_DATA;
  for (size_t row = 0; row < dataset->row_count; row++) dataset->source_rows[row] = (uint32_t)row;
  return 0;
}

/* The first `count` rows are divided as the recipe says; the others are the test. */
static int split_images(const gradc_recipe *recipe, const gradc_load_options *options, size_t count, gradc_dataset *dataset,
                        gradc_error *error) {
  const double all[] = {1, 0, 0}, shares[] = {recipe->train_share, recipe->validation_share, recipe->test_share};
  const bool whole = options->without_split;
  int32_t *labels = NULL;
  int code = recipe->stratified && !whole ? gradc_dataset_strata(dataset, &labels, error) : 0;
  if (!code)
    code = gradc_split_rows(count, whole ? all : shares, labels, recipe->has_split_seed ? recipe->split_seed : recipe->seed,
                            &dataset->split,
                            error);
  free(labels);
  if (code || count == dataset->row_count) return code;
  uint32_t *rows = realloc(dataset->split.rows, dataset->row_count * sizeof *rows);
  if (!rows) return gradc_fail(error, GRADC_EXIT_DATA, "out of memory");
  dataset->split.rows = rows;
  for (size_t row = count; row < dataset->row_count; row++) rows[row] = (uint32_t)row;
  dataset->split.counts[GRADC_PART_TEST] += dataset->row_count - count;
  return 0;
}

/* Mean and deviation: given, or of the training rows. */
static int fit_encoding(const gradc_recipe *recipe, const gradc_dataset *dataset, gradc_error *error) {
  gradc_images *images = dataset->images;
  gradc_image_encoding *e = &images->encoding;
  const gradc_image_recipe *wish = &recipe->images;
  e->scale = wish->scale == GRADC_SCALE_UNIT || (wish->scale == GRADC_SCALE_AUTO && !images->floats) ? 1.0 / 255 : 1;
  e->standardized = wish->standardize;
  e->mean = gradc_allocate(e->channels, sizeof *e->mean, error);
  e->deviation = gradc_allocate(e->channels, sizeof *e->deviation, error);
  if (!e->mean || !e->deviation) return GRADC_EXIT_DATA;
  for (size_t c = 0; c < e->channels; c++) e->deviation[c] = 1;
  if (!wish->standardize) return 0;
  if (wish->given_channels == 0) {
    size_t count = 0;
    const uint32_t *rows = gradc_dataset_part(dataset, GRADC_PART_TRAIN, &count);
    return gradc_images_fit(images, rows, count, e->mean, e->deviation, error);
  }
  if (wish->given_channels != e->channels)
    return gradc_fail(error, GRADC_EXIT_DATA, "standardize_channels has numbers for %zu channels, the images have %zu",
                      wish->given_channels,
                      e->channels);
  memcpy(e->mean, wish->mean, e->channels * sizeof *e->mean);
  memcpy(e->deviation, wish->deviation, e->channels * sizeof *e->deviation);
  return 0;
}

/* What a weights file will remember: how images become numbers, and the names of the classes. */
static int fill_encoder(gradc_image_intake *intake, bool classes, gradc_encoder *encoder) {
  *encoder = (gradc_encoder){.header = true};
  encoder->images = gradc_allocate(1, sizeof *encoder->images, intake->error);
  int code = encoder->images ? gradc_image_encoding_copy(&intake->images->encoding, encoder->images, intake->error) : GRADC_EXIT_DATA;
  if (!code && classes) {
    encoder->targets = gradc_allocate(1, sizeof *encoder->targets, intake->error);
    if (!encoder->targets) return GRADC_EXIT_DATA;
    encoder->target_count = 1;
    encoder->targets[0] = (gradc_encoded_target){.classes = true, .scale = 1, .categories = intake->classes};
    intake->classes = (gradc_categories){0};
    encoder->targets[0].name = gradc_copy_text("class", 5, intake->error);
    if (!encoder->targets[0].name) code = GRADC_EXIT_DATA;
  }
  return code;
}

static int take_names(gradc_image_intake *intake, gradc_dataset *dataset) {
  if (intake->names.count == 0) return 0;
  dataset->ids = intake->names;
  intake->names = (gradc_strings){0};
  dataset->id_name = gradc_copy_text("file", 4, intake->error);
  return dataset->id_name ? 0 : GRADC_EXIT_DATA;
}

/* Class names that an encoder or the recipe knows. */
static int take_class_names(gradc_image_intake *intake, const gradc_encoder *given) {
  const gradc_image_recipe *recipe = &intake->recipe->images;
  const gradc_categories *known = given && given->target_count && given->targets[0].classes ? &given->targets[0].categories : NULL;
  const size_t count = given ? (known ? known->labels.count : 0) : recipe->class_name_count;
  for (size_t i = 0; i < count; i++) {
    const char *name = known ? known->labels.items[i] : recipe->class_names[i];
    if (!gradc_strings_add(&intake->classes.labels, name, strlen(name), intake->error)) return GRADC_EXIT_DATA;
  }
  intake->classes_given = count > 0;
  intake->classes.named = known ? known->named : true;
  return count == 0 || intake->classes.named ? 0 : gradc_categories_sort(&intake->classes, NULL, intake->error);
}

static int begin_images(gradc_image_intake *intake, const gradc_model *model, const gradc_encoder *given, gradc_dataset *dataset) {
  const gradc_recipe *recipe = intake->recipe;
  if (model && model->input_count != 1)
    return gradc_fail(intake->error, GRADC_EXIT_DATA, "images feed one input, the model has %d", model->input_count);
  dataset->images = gradc_allocate(1, sizeof *dataset->images, intake->error);
  if (!dataset->images) return GRADC_EXIT_DATA;
  dataset->element = model ? model->element : GRADC_F32;
  intake->images = dataset->images;
  dataset->images->augmentation = recipe->images.augmentation;
  intake->resize = recipe->images.resize || recipe->source == GRADC_SOURCE_FOLDER;
  intake->recolor = intake->resize || recipe->images.channels != 0;
  const int code = decide_shape(recipe, model ? &model->inputs[0] : NULL, given, &dataset->images->encoding, intake->error);
  return code ? code : take_class_names(intake, given);
}

/* From images and labels in the intake to a dataset with a split. */
static int complete(gradc_image_intake *intake, const gradc_model *model, const gradc_load_options *options, size_t training,
                    gradc_dataset *dataset, gradc_encoder *encoder) {
  gradc_images *images = intake->images;
  gradc_error *error = intake->error;
  const gradc_encoder *given = options->encoder;
  dataset->row_count = images->count;
  if (training == 0) return gradc_fail(error, GRADC_EXIT_DATA, "%s: not one image could be read",
                                       options->path ? options->path : intake->recipe->path);
  images->bytes = images->count * gradc_images_row_bytes(images);
  int code = check_port(model ? &model->inputs[0] : NULL, images, error);
  if (!code) code = add_input(model, images, dataset, error);
  size_t most = 0;
  const bool labelled = intake->with_labels;
  const bool classes = labelled && (!model || model->task != GRADC_TASK_REGRESSION) && are_classes(intake, &most);
  if (!code && labelled && !given) code = check_class_count(intake, model);
  if (!code && labelled) code = add_targets(intake, model, dataset);
  if (!code && !labelled && !options->without_targets) code = gradc_dataset_share_targets(dataset, model, error);
  if (!code && classes && !given) code = number_classes(intake, model, most);
  if (!code) code = split_images(intake->recipe, options, training, dataset, error);
  if (!code && !given) code = fit_encoding(intake->recipe, dataset, error);
  if (!code && !given) code = fill_encoder(intake, classes, encoder);
  if (!code) code = take_names(intake, dataset);
  return code ? code : gradc_dataset_weigh_classes(dataset, intake->recipe, given ? given : encoder, error);
}

/* The same recipe with its files in the folder that the options give. */
static int load_in_folder(const gradc_recipe *recipe, const gradc_model *model, const gradc_load_options *options, gradc_dataset *dataset,
                          gradc_encoder *encoder, gradc_error *error) {
  gradc_recipe moved;
  gradc_load_options there = *options;
  there.path = NULL;
  int code = gradc_recipe_in_folder(recipe, options->path, &moved, error);
  if (!code) code = gradc_images_load(&moved, model, &there, dataset, encoder, error);
  gradc_recipe_in_folder_free(&moved);
  return code;
}

int gradc_images_load(const gradc_recipe *recipe, const gradc_model *model, const gradc_load_options *options, gradc_dataset *dataset,
                      gradc_encoder *encoder, gradc_error *error) {
  if (options->path && gradc_images_in_folder(recipe, options->path))
    return load_in_folder(recipe, model, options, dataset, encoder, error);
  gradc_image_intake intake = {.recipe = recipe, .error = error};
  /* Arrays of images without labels teach a model its own input. */
  intake.with_labels = !options->without_targets && !(recipe->source == GRADC_SOURCE_NPY && !recipe->targets_path &&
                                                      !options->targets_path);
  int code = begin_images(&intake, model, options->encoder, dataset);
  if (!code) code = read_training(&intake, options);
  const size_t training = code ? 0 : dataset->images->count;
  if (!code && recipe->images.test_file_count && !options->without_split) code = read_test(&intake);
  if (!code) code = complete(&intake, model, options, training, dataset, encoder);
  gradc_intake_free(&intake);
  return code;
}

int gradc_dataset_load_files(const char *const *paths, size_t path_count, const gradc_encoder *encoder, const gradc_model *model,
                             bool skip_bad, gradc_dataset *dataset, gradc_error *error) {
  gradc_recipe recipe;
  gradc_recipe_init(&recipe);
  recipe.source = GRADC_SOURCE_FOLDER;
  recipe.images.skip_bad = skip_bad;
  const gradc_load_options options = {.encoder = encoder, .without_targets = true, .without_split = true,
                                      .path = path_count ? paths[0] : ""};
  gradc_image_intake intake = {.recipe = &recipe, .error = error};
  *dataset = (gradc_dataset){0};
  int code = path_count ? begin_images(&intake, model, encoder, dataset) : gradc_fail(error, GRADC_EXIT_USAGE, "no image files are given");
  if (!code) code = gradc_read_image_files(&intake, paths, path_count);
  if (!code) code = complete(&intake, model, &options, dataset->images->count, dataset, NULL);
  gradc_intake_free(&intake);
  if (code) gradc_dataset_free(dataset);
  gradc_recipe_free(&recipe);
  return code;
}
#else
typedef int gradc_no_image_reading;
#endif
