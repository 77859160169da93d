/* resources.c: the runtime's sources as data, to be copied beside a native trainer: an installed gradc needs no source tree. A test
 * compares the list with the folder. */
#include "resources.h"

static const unsigned char arena_c[] = {
#embed "../../Runtime/arena.c"
};
static const unsigned char array_c[] = {
#embed "../../Runtime/array.c"
};
static const unsigned char checkpoint_c[] = {
#embed "../../Runtime/checkpoint.c"
};
static const unsigned char data_internal_h[] = {
#embed "../../Runtime/data_internal.h"
};
static const unsigned char dataset_c[] = {
#embed "../../Runtime/dataset.c"
};
static const unsigned char dataset_internal_h[] = {
#embed "../../Runtime/dataset_internal.h"
};
static const unsigned char dataset_load_c[] = {
#embed "../../Runtime/dataset_load.c"
};
static const unsigned char encoder_c[] = {
#embed "../../Runtime/encoder.c"
};
static const unsigned char encoder_fit_c[] = {
#embed "../../Runtime/encoder_fit.c"
};
static const unsigned char encoder_text_c[] = {
#embed "../../Runtime/encoder_text.c"
};
static const unsigned char evaluate_c[] = {
#embed "../../Runtime/evaluate.c"
};
static const unsigned char file_c[] = {
#embed "../../Runtime/file.c"
};
static const unsigned char flags_c[] = {
#embed "../../Runtime/flags.c"
};
static const unsigned char health_c[] = {
#embed "../../Runtime/health.c"
};
static const unsigned char history_c[] = {
#embed "../../Runtime/history.c"
};
static const unsigned char image_feed_c[] = {
#embed "../../Runtime/image_feed.c"
};
static const unsigned char image_gather_c[] = {
#embed "../../Runtime/image_gather.c"
};
static const unsigned char image_internal_h[] = {
#embed "../../Runtime/image_internal.h"
};
static const unsigned char image_read_c[] = {
#embed "../../Runtime/image_read.c"
};
static const unsigned char image_read_h[] = {
#embed "../../Runtime/image_read.h"
};
static const unsigned char image_read_arrays_c[] = {
#embed "../../Runtime/image_read_arrays.c"
};
static const unsigned char image_read_files_c[] = {
#embed "../../Runtime/image_read_files.c"
};
static const unsigned char image_read_intake_c[] = {
#embed "../../Runtime/image_read_intake.c"
};
static const unsigned char image_read_jpeg_c[] = {
#embed "../../Runtime/image_read_jpeg.c"
};
static const unsigned char image_read_place_c[] = {
#embed "../../Runtime/image_read_place.c"
};
static const unsigned char image_read_png_c[] = {
#embed "../../Runtime/image_read_png.c"
};
static const unsigned char image_read_records_c[] = {
#embed "../../Runtime/image_read_records.c"
};
static const unsigned char image_read_zip_c[] = {
#embed "../../Runtime/image_read_zip.c"
};
static const unsigned char image_resize_c[] = {
#embed "../../Runtime/image_resize.c"
};
static const unsigned char image_set_c[] = {
#embed "../../Runtime/image_set.c"
};
static const unsigned char json_c[] = {
#embed "../../Runtime/json.c"
};
static const unsigned char json_h[] = {
#embed "../../Runtime/json.h"
};
static const unsigned char log_c[] = {
#embed "../../Runtime/log.c"
};
static const unsigned char metrics_c[] = {
#embed "../../Runtime/metrics.c"
};
static const unsigned char npy_c[] = {
#embed "../../Runtime/npy.c"
};
static const unsigned char order_c[] = {
#embed "../../Runtime/order.c"
};
static const unsigned char pool_c[] = {
#embed "../../Runtime/pool.c"
};
static const unsigned char progress_c[] = {
#embed "../../Runtime/progress.c"
};
static const unsigned char recipe_c[] = {
#embed "../../Runtime/recipe.c"
};
static const unsigned char recipe_images_c[] = {
#embed "../../Runtime/recipe_images.c"
};
static const unsigned char recipe_internal_h[] = {
#embed "../../Runtime/recipe_internal.h"
};
static const unsigned char recipe_print_c[] = {
#embed "../../Runtime/recipe_print.c"
};
static const unsigned char recipe_text_c[] = {
#embed "../../Runtime/recipe_text.c"
};
static const unsigned char safetensors_c[] = {
#embed "../../Runtime/safetensors.c"
};
static const unsigned char sample_c[] = {
#embed "../../Runtime/sample.c"
};
static const unsigned char schedule_c[] = {
#embed "../../Runtime/schedule.c"
};
static const unsigned char session_c[] = {
#embed "../../Runtime/session.c"
};
static const unsigned char split_c[] = {
#embed "../../Runtime/split.c"
};
static const unsigned char table_c[] = {
#embed "../../Runtime/table.c"
};
static const unsigned char text_c[] = {
#embed "../../Runtime/text.c"
};
static const unsigned char text_internal_h[] = {
#embed "../../Runtime/text_internal.h"
};
static const unsigned char tokenizer_c[] = {
#embed "../../Runtime/tokenizer.c"
};
static const unsigned char tokenizer_bpe_c[] = {
#embed "../../Runtime/tokenizer_bpe.c"
};
static const unsigned char tokenizer_json_c[] = {
#embed "../../Runtime/tokenizer_json.c"
};
static const unsigned char tokenizer_pieces_c[] = {
#embed "../../Runtime/tokenizer_pieces.c"
};
static const unsigned char tokenizer_text_c[] = {
#embed "../../Runtime/tokenizer_text.c"
};
static const unsigned char train_c[] = {
#embed "../../Runtime/train.c"
};
static const unsigned char train_internal_h[] = {
#embed "../../Runtime/train_internal.h"
};
static const unsigned char trainer_c[] = {
#embed "../../Runtime/trainer.c"
};
static const unsigned char trainer_main_c[] = {
#embed "../../Runtime/trainer_main.c"
};
static const unsigned char unicode_classes_c[] = {
#embed "../../Runtime/unicode_classes.c"
};
static const unsigned char weights_c[] = {
#embed "../../Runtime/weights.c"
};
static const unsigned char windows_c[] = {
#embed "../../Runtime/windows.c"
};
static const unsigned char windows_h[] = {
#embed "../../Runtime/windows.h"
};
static const unsigned char gradc_data_h[] = {
#embed "../../Runtime/include/gradc_data.h"
};
static const unsigned char gradc_images_h[] = {
#embed "../../Runtime/include/gradc_images.h"
};
static const unsigned char gradc_model_h[] = {
#embed "../../Runtime/include/gradc_model.h"
};
static const unsigned char gradc_pool_h[] = {
#embed "../../Runtime/include/gradc_pool.h"
};
static const unsigned char gradc_text_h[] = {
#embed "../../Runtime/include/gradc_text.h"
};
static const unsigned char gradc_train_h[] = {
#embed "../../Runtime/include/gradc_train.h"
};

static const gradc_resource files[] = {
    {"arena.c", arena_c, sizeof arena_c},
    {"array.c", array_c, sizeof array_c},
    {"checkpoint.c", checkpoint_c, sizeof checkpoint_c},
    {"data_internal.h", data_internal_h, sizeof data_internal_h},
    {"dataset.c", dataset_c, sizeof dataset_c},
    {"dataset_internal.h", dataset_internal_h, sizeof dataset_internal_h},
    {"dataset_load.c", dataset_load_c, sizeof dataset_load_c},
    {"encoder.c", encoder_c, sizeof encoder_c},
    {"encoder_fit.c", encoder_fit_c, sizeof encoder_fit_c},
    {"encoder_text.c", encoder_text_c, sizeof encoder_text_c},
    {"evaluate.c", evaluate_c, sizeof evaluate_c},
    {"file.c", file_c, sizeof file_c},
    {"flags.c", flags_c, sizeof flags_c},
    {"health.c", health_c, sizeof health_c},
    {"history.c", history_c, sizeof history_c},
    {"image_feed.c", image_feed_c, sizeof image_feed_c},
    {"image_gather.c", image_gather_c, sizeof image_gather_c},
    {"image_internal.h", image_internal_h, sizeof image_internal_h},
    {"image_read.c", image_read_c, sizeof image_read_c},
    {"image_read.h", image_read_h, sizeof image_read_h},
    {"image_read_arrays.c", image_read_arrays_c, sizeof image_read_arrays_c},
    {"image_read_files.c", image_read_files_c, sizeof image_read_files_c},
    {"image_read_intake.c", image_read_intake_c, sizeof image_read_intake_c},
    {"image_read_jpeg.c", image_read_jpeg_c, sizeof image_read_jpeg_c},
    {"image_read_place.c", image_read_place_c, sizeof image_read_place_c},
    {"image_read_png.c", image_read_png_c, sizeof image_read_png_c},
    {"image_read_records.c", image_read_records_c, sizeof image_read_records_c},
    {"image_read_zip.c", image_read_zip_c, sizeof image_read_zip_c},
    {"image_resize.c", image_resize_c, sizeof image_resize_c},
    {"image_set.c", image_set_c, sizeof image_set_c},
    {"json.c", json_c, sizeof json_c},
    {"json.h", json_h, sizeof json_h},
    {"log.c", log_c, sizeof log_c},
    {"metrics.c", metrics_c, sizeof metrics_c},
    {"npy.c", npy_c, sizeof npy_c},
    {"order.c", order_c, sizeof order_c},
    {"pool.c", pool_c, sizeof pool_c},
    {"progress.c", progress_c, sizeof progress_c},
    {"recipe.c", recipe_c, sizeof recipe_c},
    {"recipe_images.c", recipe_images_c, sizeof recipe_images_c},
    {"recipe_internal.h", recipe_internal_h, sizeof recipe_internal_h},
    {"recipe_print.c", recipe_print_c, sizeof recipe_print_c},
    {"recipe_text.c", recipe_text_c, sizeof recipe_text_c},
    {"safetensors.c", safetensors_c, sizeof safetensors_c},
    {"sample.c", sample_c, sizeof sample_c},
    {"schedule.c", schedule_c, sizeof schedule_c},
    {"session.c", session_c, sizeof session_c},
    {"split.c", split_c, sizeof split_c},
    {"table.c", table_c, sizeof table_c},
    {"text.c", text_c, sizeof text_c},
    {"text_internal.h", text_internal_h, sizeof text_internal_h},
    {"tokenizer.c", tokenizer_c, sizeof tokenizer_c},
    {"tokenizer_bpe.c", tokenizer_bpe_c, sizeof tokenizer_bpe_c},
    {"tokenizer_json.c", tokenizer_json_c, sizeof tokenizer_json_c},
    {"tokenizer_pieces.c", tokenizer_pieces_c, sizeof tokenizer_pieces_c},
    {"tokenizer_text.c", tokenizer_text_c, sizeof tokenizer_text_c},
    {"train.c", train_c, sizeof train_c},
    {"train_internal.h", train_internal_h, sizeof train_internal_h},
    {"trainer.c", trainer_c, sizeof trainer_c},
    {"trainer_main.c", trainer_main_c, sizeof trainer_main_c},
    {"unicode_classes.c", unicode_classes_c, sizeof unicode_classes_c},
    {"weights.c", weights_c, sizeof weights_c},
    {"windows.c", windows_c, sizeof windows_c},
    {"windows.h", windows_h, sizeof windows_h},
    {"include/gradc_data.h", gradc_data_h, sizeof gradc_data_h},
    {"include/gradc_images.h", gradc_images_h, sizeof gradc_images_h},
    {"include/gradc_model.h", gradc_model_h, sizeof gradc_model_h},
    {"include/gradc_pool.h", gradc_pool_h, sizeof gradc_pool_h},
    {"include/gradc_text.h", gradc_text_h, sizeof gradc_text_h},
    {"include/gradc_train.h", gradc_train_h, sizeof gradc_train_h},
};

size_t gradc_resource_count(void) { return sizeof files / sizeof files[0]; }

const gradc_resource *gradc_resource_at(size_t index) { return index < gradc_resource_count() ? &files[index] : NULL; }
