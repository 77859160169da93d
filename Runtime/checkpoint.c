/* checkpoint.c: the whole state of a training in one file, so that a resumed run continues bit for bit.
 *
 *   magic "gradcCKP" · version u32 · byte order mark u32 · bytes of the whole file u64 · model's hash u64 · its name ·
 *   loop state · controls · parameters · state · moments · best parameters and state · history · hash of all before u64
 *
 * One function walks the layout; it counts, writes or reads depending on the coder, so the three cannot disagree.
 * A file is verified whole (size, hash, model) before a byte of it reaches the trainer.
 */
#include "train_internal.h"

#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/stat.h>
#include <unistd.h>

#define MAGIC "gradcCKP"
#define VERSION 1u
#define ORDER_MARK 0x01020304u
#define HEAD_BYTES 32u

#define DIRECT_BYTES 4096u

typedef struct blob {
  uint8_t *bytes;
  size_t count, capacity;
} blob;

typedef struct piece {
  const void *direct;   /* a block of the trainer, or null: bytes at `offset` of the buffer */
  size_t offset, bytes;
} piece;

typedef struct coder {
  enum { COUNT, WRITE, READ } mode;
  int failure;                  /* ENOMEM, or EILSEQ for a file that does not fit */
  blob small;             /* WRITE: what is not written straight from its place */
  blob pieces;            /* WRITE: of struct piece */
  const uint8_t *data;          /* READ */
  uint64_t size, offset;        /* bytes counted, written or read so far */
} coder;

typedef struct hasher {
  uint64_t hash;
  uint8_t pending[8];
  size_t pending_count;
} hasher;

static uint64_t hash_word(uint64_t hash, uint64_t word) {
  hash = (hash ^ word) * UINT64_C(0x9E3779B97F4A7C15);
  return hash ^ hash >> 29;
}

/* However the bytes are cut into pieces, the hash is that of the whole. */
static void hash_more(hasher *hasher, const void *data, size_t count) {
  const uint8_t *bytes = data;
  while (count > 0 && hasher->pending_count > 0 && hasher->pending_count < 8) {
    hasher->pending[hasher->pending_count++] = *bytes++;
    count -= 1;
    if (hasher->pending_count == 8) {
      uint64_t word;
      memcpy(&word, hasher->pending, 8);
      hasher->hash = hash_word(hasher->hash, word);
      hasher->pending_count = 0;
    }
  }
  for (; count >= 8; bytes += 8, count -= 8) {
    uint64_t word;
    memcpy(&word, bytes, 8);
    hasher->hash = hash_word(hasher->hash, word);
  }
  memcpy(hasher->pending + hasher->pending_count, bytes, count);
  hasher->pending_count += count;
}

static uint64_t hash_end(hasher *hasher) {
  uint64_t word = 0;
  memcpy(&word, hasher->pending, hasher->pending_count);
  return hash_word(hash_word(hasher->hash, word), hasher->pending_count);
}

static bool append(blob *blob, const void *bytes, size_t count) {
  if (count > blob->capacity - blob->count) {
    size_t capacity = blob->capacity == 0 ? 8192 : blob->capacity;
    while (capacity - blob->count < count) capacity *= 2;
    uint8_t *grown = realloc(blob->bytes, capacity);
    if (grown == NULL) return false;
    blob->bytes = grown;
    blob->capacity = capacity;
  }
  memcpy(blob->bytes + blob->count, bytes, count);
  blob->count += count;
  return true;
}

/* Small fields that follow one another become one piece, so that a file is a handful of writes. */
static void write_piece(coder *coder, const void *bytes, size_t count) {
  size_t last = coder->pieces.count / sizeof(piece);
  piece *previous = last > 0 ? (piece *)(void *)coder->pieces.bytes + (last - 1) : NULL;
  bool direct = count >= DIRECT_BYTES;
  piece piece = {.direct = direct ? bytes : NULL, .offset = coder->small.count, .bytes = count};
  if (!direct && !append(&coder->small, bytes, count)) coder->failure = ENOMEM;
  else if (!direct && previous != NULL && previous->direct == NULL) previous->bytes += count;
  else if (!append(&coder->pieces, &piece, sizeof piece)) coder->failure = ENOMEM;
}

static void code_bytes(coder *coder, void *bytes, size_t count) {
  coder->offset += count;
  if (count == 0 || coder->mode == COUNT || coder->failure != 0) return;
  if (coder->mode == WRITE) write_piece(coder, bytes, count);
  else if (coder->offset > coder->size) coder->failure = EILSEQ;
  else memcpy(bytes, coder->data + (coder->offset - count), count);
}

#define CODE(coder, field) code_bytes(coder, &(field), sizeof(field))

static void code_controls(coder *coder, gradc_controls *controls) {
  CODE(coder, controls->rate);
  CODE(coder, controls->loss);
  CODE(coder, controls->data_loss);
  CODE(coder, controls->norm);
  CODE(coder, controls->seed);
  CODE(coder, controls->step);
  CODE(coder, controls->micro);
}

static void code_state(coder *coder, gradc_loop_state *state) {
  CODE(coder, state->seed);
  CODE(coder, state->rows);
  CODE(coder, state->batch);
  CODE(coder, state->accumulate);
  CODE(coder, state->shuffle);
  CODE(coder, state->epoch);
  CODE(coder, state->row);
  CODE(coder, state->loss_sum);
  CODE(coder, state->given_rate);
  CODE(coder, state->base_rate);
  CODE(coder, state->best);
  CODE(coder, state->best_epoch);
  CODE(coder, state->stopping_best);
  CODE(coder, state->stopping_wait);
  CODE(coder, state->plateau_best);
  CODE(coder, state->plateau_wait);
  CODE(coder, state->plateau_cooldown);
  CODE(coder, state->seconds);
  CODE(coder, state->epoch_seconds);
}

static void code_epoch(coder *coder, gradc_epoch *epoch, int metric_count) {
  CODE(coder, epoch->epoch);
  CODE(coder, epoch->step);
  CODE(coder, epoch->loss);
  CODE(coder, epoch->val_loss);
  CODE(coder, epoch->rate);
  CODE(coder, epoch->seconds);
  code_bytes(coder, epoch->metrics, (size_t)metric_count * sizeof epoch->metrics[0]);
  code_bytes(coder, epoch->val_metrics, (size_t)metric_count * sizeof epoch->val_metrics[0]);
}

static void hash_number(hasher *hasher, uint64_t number) { hash_more(hasher, &number, sizeof number); }

uint64_t gradc_model_hash(const gradc_model *model) {
  hasher hasher = {0};
  hash_number(&hasher, (uint64_t)model->element);
  hash_number(&hasher, model->parameter_count);
  hash_number(&hasher, model->gradient_count);
  hash_number(&hasher, model->state_count);
  hash_number(&hasher, model->moment_count);
  for (int index = 0; index < model->tensor_count; index += 1) {
    const gradc_tensor *tensor = &model->tensors[index];
    hash_more(&hasher, tensor->name, strlen(tensor->name) + 1);
    hash_number(&hasher, tensor->offset);
    hash_number(&hasher, tensor->count);
    hash_number(&hasher, (uint64_t)(tensor->is_state != 0) << 1 | (uint64_t)(tensor->trainable != 0));
    for (int axis = 0; axis < tensor->rank; axis += 1) hash_number(&hasher, (uint64_t)tensor->dims[axis]);
  }
  return hash_end(&hasher);
}

static void code_blocks(coder *coder, gradc_session *session) {
  const gradc_model *model = session->trainer->model;
  size_t element = gradc_element_bytes(model->element);
  size_t parameters = model->parameter_count * element, state = model->state_count * element;
  code_bytes(coder, session->trainer->memory + model->parameters_offset, parameters);
  code_bytes(coder, session->trainer->memory + model->state_offset, state);
  code_bytes(coder, session->trainer->memory + model->moments_offset, model->moment_count * element);
  uint64_t has_best = session->has_best ? 1 : 0;
  CODE(coder, has_best);
  session->has_best = has_best != 0;
  if (has_best) {
    code_bytes(coder, session->best_weights, parameters);
    code_bytes(coder, session->best_weights + parameters, state);
  }
}

static void code_history(coder *coder, gradc_history *history) {
  uint64_t count = (uint64_t)history->epoch_count, metrics = (uint64_t)history->metric_count;
  CODE(coder, count);
  CODE(coder, metrics);
  if (coder->mode == READ) {
    /* An epoch takes at least 48 bytes: a count that the file cannot hold is refused before memory is asked for. */
    if (coder->failure != 0 || metrics != (uint64_t)history->metric_count || count > (coder->size - coder->offset) / 48) {
      if (coder->failure == 0) coder->failure = EILSEQ;
      return;
    }
    if (!gradc_history_reserve(history, (int)count)) {
      coder->failure = ENOMEM;
      return;
    }
    history->epoch_count = (int)count;
  }
  for (int index = 0; index < history->epoch_count; index += 1) code_epoch(coder, &history->epochs[index], history->metric_count);
}

/* Everything after the head. */
static void code_body(coder *coder, gradc_session *session) {
  code_state(coder, &session->state);
  gradc_controls controls = *gradc_trainer_controls(session->trainer);
  code_controls(coder, &controls);
  code_blocks(coder, session);
  code_history(coder, session->history);
  if (coder->mode == READ && coder->failure == 0) *gradc_trainer_controls(session->trainer) = controls;
}

static void code_head(coder *coder, const gradc_model *model, uint64_t total) {
  char magic[] = MAGIC;
  uint32_t version = VERSION, mark = ORDER_MARK;
  uint64_t hash = gradc_model_hash(model);
  char name[64] = {0};
  snprintf(name, sizeof name, "%s", model->name);
  code_bytes(coder, magic, 8);
  CODE(coder, version);
  CODE(coder, mark);
  CODE(coder, total);
  CODE(coder, hash);
  code_bytes(coder, name, sizeof name);
}

/* Gathers the layout as spans, hashes them, and appends the hash. */
static int write_pieces(coder *coder, const char *path, gradc_error *error) {
  size_t count = coder->pieces.count / sizeof(piece);
  gradc_span *spans = calloc(count + 1, sizeof *spans);
  if (spans == NULL) return gradc_fail(error, GRADC_EXIT_DATA, "no memory to write the checkpoint '%s'", path);
  hasher hasher = {0};
  for (size_t index = 0; index < count; index += 1) {
    piece piece;
    memcpy(&piece, coder->pieces.bytes + index * sizeof piece, sizeof piece);
    spans[index].data = piece.direct != NULL ? piece.direct : coder->small.bytes + piece.offset;
    spans[index].bytes = piece.bytes;
    hash_more(&hasher, spans[index].data, spans[index].bytes);
  }
  uint64_t hash = hash_end(&hasher);
  spans[count].data = &hash;
  spans[count].bytes = sizeof hash;
  int code = gradc_write_file(path, spans, count + 1, error);
  free(spans);
  return code;
}

int gradc_checkpoint_write(gradc_session *session, const char *path, gradc_error *error) {
  const gradc_model *model = session->trainer->model;
  coder counter = {.mode = COUNT};
  code_head(&counter, model, 0);
  code_body(&counter, session);
  coder coder = {.mode = WRITE};
  code_head(&coder, model, counter.offset + 8);
  code_body(&coder, session);
  int code = coder.failure == 0 ? write_pieces(&coder, path, error)
                                : gradc_fail(error, GRADC_EXIT_DATA, "no memory to write the checkpoint '%s'", path);
  free(coder.small.bytes);
  free(coder.pieces.bytes);
  return code;
}

static int refuse(gradc_error *error, const char *path, const char *what) {
  return gradc_fail(error, GRADC_EXIT_DATA, "'%s' %s", path, what);
}

static int check_head(const uint8_t *data, uint64_t size, const gradc_model *model, const char *path, gradc_error *error) {
  uint32_t version, mark;
  uint64_t total, hash, stored;
  char name[65] = {0};
  if (size < 8 || memcmp(data, MAGIC, 8) != 0) return refuse(error, path, "is not a gradc checkpoint");
  if (size < HEAD_BYTES + 64 + 8) return refuse(error, path, "is a truncated checkpoint: it ends within its head");
  memcpy(&version, data + 8, 4);
  memcpy(&mark, data + 12, 4);
  memcpy(&total, data + 16, 8);
  memcpy(&hash, data + 24, 8);
  memcpy(name, data + HEAD_BYTES, 64);
  if (mark != ORDER_MARK) return refuse(error, path, "was written by a machine of the other byte order");
  if (version != VERSION)
    return gradc_fail(error, GRADC_EXIT_DATA, "'%s' is a checkpoint of version %u; this program reads version %u", path, version, VERSION);
  if (total != size)
    return gradc_fail(error, GRADC_EXIT_DATA, "'%s' is %s checkpoint: %llu bytes found, %llu expected", path,
                      size < total ? "a truncated" : "a damaged", (unsigned long long)size, (unsigned long long)total);
  memcpy(&stored, data + size - 8, 8);
  hasher hasher = {0};
  hash_more(&hasher, data, (size_t)(size - 8));
  if (hash_end(&hasher) != stored) return refuse(error, path, "is a damaged checkpoint: its checksum does not match");
  if (hash != gradc_model_hash(model))
    return gradc_fail(
        error, GRADC_EXIT_DATA,
        "'%s' is a checkpoint of another model ('%s'): names, shapes or the optimizer differ from '%s'. Train without --resume, or "
        "give the model that wrote it",
        path, name, model->name);
  return 0;
}

int gradc_checkpoint_read(gradc_session *session, const char *path, gradc_error *error) {
  int descriptor = open(path, O_RDONLY | O_CLOEXEC);
  if (descriptor < 0) return gradc_fail(error, GRADC_EXIT_DATA, "cannot read the checkpoint '%s': %s", path, strerror(errno));
  struct stat status;
  if (fstat(descriptor, &status) != 0 || !S_ISREG(status.st_mode) || status.st_size == 0) {
    close(descriptor);
    return refuse(error, path, "is not a gradc checkpoint: it is empty or no plain file");
  }
  uint64_t size = (uint64_t)status.st_size;
  void *data = mmap(NULL, (size_t)size, PROT_READ, MAP_PRIVATE, descriptor, 0);
  close(descriptor);
  if (data == MAP_FAILED) return gradc_fail(error, GRADC_EXIT_DATA, "cannot read the checkpoint '%s': %s", path, strerror(errno));
  int code = check_head(data, size, session->trainer->model, path, error);
  if (code == 0) {
    coder coder = {.mode = READ, .data = data, .size = size - 8, .offset = HEAD_BYTES + 64};
    code_body(&coder, session);
    if (coder.failure == 0 && coder.offset != coder.size) coder.failure = EILSEQ;
    if (coder.failure == EILSEQ)
      code = refuse(error, path, "does not fit this training: its metrics differ, or it was written by a program with a defect");
    else if (coder.failure != 0) code = gradc_fail(error, GRADC_EXIT_DATA, "no memory to read the checkpoint '%s'", path);
  }
  munmap(data, (size_t)size);
  return code;
}
