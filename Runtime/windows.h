/* windows.h: rows that are windows. */
#ifndef GRADC_WINDOWS_H
#define GRADC_WINDOWS_H

#include "dataset_internal.h"

/* Lists the windows of parts of so many lines (`unit`: what they are, for messages), and what may be drawn. */
int gradc_windows_make(gradc_dataset *dataset, const size_t lines[3], size_t length, size_t ahead, size_t stride, const char *unit,
                       gradc_error *error);
/* The model as if its rows were single lines of the recipe's windows: what a table is encoded for. `*ports` is its own, for free(). */
int gradc_windows_lines(const gradc_recipe *recipe, const gradc_model *model, gradc_model *lines, gradc_port **ports, gradc_error *error);
/* Makes windows of the encoded lines of a table. */
int gradc_windows_of_table(const gradc_recipe *recipe, const gradc_load_options *options, gradc_dataset *dataset, gradc_error *error);
/* Reads the recipe's text. `fitted` gets the tokenizer, unless options->encoder gives one. */
int gradc_text_load(const gradc_recipe *recipe, const gradc_model *model, const gradc_load_options *options, gradc_dataset *dataset,
                    gradc_encoder *fitted, gradc_error *error);

#endif
