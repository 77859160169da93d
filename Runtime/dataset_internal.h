/* dataset_internal.h: what the sources of a dataset share. */
#ifndef GRADC_DATASET_INTERNAL_H
#define GRADC_DATASET_INTERNAL_H

#include "data_internal.h"

/* Room for `rows` rows of a port. */
int gradc_dataset_add_port(gradc_port_data *port, const char *name, gradc_element element, size_t row_count, size_t rows,
                           gradc_error *error);
/* Stores a number as one element; false when it is not finite, no integer, or out of range for the type. */
bool gradc_store_number(double value, gradc_element element, void *at);
double gradc_load_number(const void *at, gradc_element element);
/* The value, class index or position of the one in target 0 of a row. */
double gradc_target_class(const gradc_dataset *dataset, size_t row);
/* A class a row, numbered from 0 in ascending order, for a stratified split. */
int gradc_dataset_strata(const gradc_dataset *dataset, int32_t **labels, gradc_error *error);
int gradc_dataset_add_weights(gradc_dataset *dataset, gradc_error *error);
void gradc_dataset_set_weight(gradc_dataset *dataset, size_t row, double weight);
/* Multiplies the weights of training rows by those of their classes. */
int gradc_dataset_weigh_classes(gradc_dataset *dataset, const gradc_recipe *recipe, const gradc_encoder *encoder, gradc_error *error);

/* As gradc_batch_gather, with the augmentation that training images of this seed and epoch get. */
void gradc_batch_gather_training(const gradc_dataset *dataset, const uint32_t *rows, size_t count, uint64_t seed, uint64_t epoch,
                                 gradc_batch *batch);

/* How a value becomes target: where it goes and what it may be. */
typedef enum gradc_target_form {
  GRADC_FORM_NUMBER,      /* any number */
  GRADC_FORM_PROBABILITY, /* 0 ... 1 */
  GRADC_FORM_INDEX,       /* a class index below `classes` (0: no limit known) */
  GRADC_FORM_ONE_HOT      /* a class index, spread over the row's elements */
} gradc_target_form;

/* Decides the form in which values fill target port `index`; `width` values are at hand a row. */
int gradc_target_form_of(const gradc_model *model, int index, const gradc_port *port, size_t width, gradc_target_form *form,
                         size_t *classes, gradc_error *error);
/* Stores one target value of one row at element `position`; null, or what was expected. */
const char *gradc_store_target(gradc_port_data *port, size_t row, size_t position, double value, gradc_target_form form, size_t classes);
/* Makes the ports of an autoencoder's targets from its inputs. */
int gradc_dataset_share_targets(gradc_dataset *dataset, const gradc_model *model, gradc_error *error);

#endif
