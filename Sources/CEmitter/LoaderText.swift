import LoopIR

/// `NAME_load`: a strict safetensors reader without malloc, stdio or recursion. It checks everything before it writes anything.
func loaderText(_ model: ModelText) -> String {
  let count = max(model.program.tensors.count, 1)
  let type = model.program.element == .f32 ? "F32" : "F64"
  return parserText + """
    int \(model.name)_load(\(model.name) *model, const void *safetensors, size_t bytes) {
      size_t begin[\(count)], end[\(count)], total = 0;
      unsigned char seen[\(count)];
      gradc_text text;
      gradc_entry entry;
      const unsigned char *data;
      int status = gradc_open_safetensors(safetensors, bytes, &text, &data);
      memset(seen, 0, sizeof seen);
      memset(begin, 0, sizeof begin);
      memset(end, 0, sizeof end);
      while (status == GRADC_OK && (status = gradc_next_entry(&text, &entry)) == GRADC_OK && entry.name) {
        int i = 0;
        while (i < \(model.program.tensors.count) && !gradc_same_text(entry.name, entry.name_end, \(model.name)_tensors[i].name)) ++i;
        if (i == \(model.program.tensors.count) || seen[i] || entry.end < entry.begin
            || entry.end > bytes - (size_t)(data - (const unsigned char *)safetensors)) return GRADC_BAD_WEIGHTS;
        if (!gradc_same_text(entry.type, entry.type_end, "\(type)") || entry.rank != \(model.name)_tensors[i].rank) return GRADC_WRONG_SHAPE;
        for (int k = 0; k < entry.rank; ++k) {
          if (entry.dims[k] != (uint64_t)\(model.name)_tensors[i].dims[k]) return GRADC_WRONG_SHAPE;
        }
        if (entry.end - entry.begin != \(model.name)_tensors[i].count * sizeof(\(model.real))) return GRADC_BAD_WEIGHTS;
        seen[i] = 1;
        begin[i] = (size_t)entry.begin;
        end[i] = (size_t)entry.end;
      }
      if (status != GRADC_OK) return status;
      for (int i = 0; i < \(model.program.tensors.count); ++i) {
        if (!seen[i]) return GRADC_MISSING_TENSOR;
        total += end[i] - begin[i];
        for (int k = 0; k < i; ++k) {
          if (begin[i] < end[k] && begin[k] < end[i]) return GRADC_BAD_WEIGHTS;
        }
      }
      if (total != bytes - (size_t)(data - (const unsigned char *)safetensors)) return GRADC_BAD_WEIGHTS;
      for (int i = 0; i < \(model.program.tensors.count); ++i) {
        const size_t block = \(model.name)_tensors[i].is_state ? \(stateOffset(model)) : \(parameterOffset(model));
        memcpy((unsigned char *)model + block + \(model.name)_tensors[i].offset * sizeof(\(model.real)), data + begin[i], end[i] - begin[i]);
      }
      \(model.layout.prepared > 0 ? "model->is_prepared = 0;\n  " : "")return GRADC_OK;
    }

    """
}

private func parameterOffset(_ model: ModelText) -> String {
  model.layout.parameters > 0 ? "offsetof(struct \(model.name), parameters)" : "sizeof(struct \(model.name))"
}

private func stateOffset(_ model: ModelText) -> String {
  model.layout.state > 0 ? "offsetof(struct \(model.name), state)" : "sizeof(struct \(model.name))"
}

/// The part of the reader that is the same for all models.
private let parserText = #"""
  /* A strict reader of safetensors: 8 bytes of header length, a JSON object of {"dtype", "shape", "data_offsets"}, the data. */
  typedef struct gradc_text {
    const unsigned char *at, *end;
    int entries; /* -1 once the object is closed */
  } gradc_text;

  typedef struct gradc_entry {
    const unsigned char *name, *name_end, *type, *type_end; /* between the quotes, escapes and all; name is null at the end */
    int rank;
    uint64_t dims[8], begin, end;
  } gradc_entry;

  static void gradc_skip_space(gradc_text *text) {
    while (text->at < text->end && (*text->at == ' ' || *text->at == '\t' || *text->at == '\n' || *text->at == '\r')) ++text->at;
  }

  /* Whether `mark` comes next; goes behind it if so. */
  static int gradc_take(gradc_text *text, int mark) {
    gradc_skip_space(text);
    if (text->at >= text->end || *text->at != mark) return 0;
    ++text->at;
    return 1;
  }

  static int gradc_hex(int digit) {
    return digit >= '0' && digit <= '9' ? digit - '0' : digit >= 'a' && digit <= 'f' ? digit - 'a' + 10
         : digit >= 'A' && digit <= 'F' ? digit - 'A' + 10 : -1;
  }

  static int gradc_take_string(gradc_text *text, const unsigned char **begin, const unsigned char **end) {
    if (!gradc_take(text, '"')) return 0;
    *begin = text->at;
    while (text->at < text->end && *text->at != '"') {
      if (*text->at < 0x20) return 0;
      if (*text->at++ != '\\') continue;
      if (text->at >= text->end) return 0;
      switch (*text->at++) {
        case '"': case '\\': case '/': case 'b': case 'f': case 'n': case 'r': case 't': break;
        case 'u':
          if (text->end - text->at < 4) return 0;
          for (int i = 0; i < 4; ++i) {
            if (gradc_hex(text->at[i]) < 0) return 0;
          }
          text->at += 4;
          break;
        default: return 0;
      }
    }
    if (text->at >= text->end) return 0;
    *end = text->at++;
    return 1;
  }

  static int gradc_take_number(gradc_text *text, uint64_t *number) {
    gradc_skip_space(text);
    if (text->at >= text->end || *text->at < '0' || *text->at > '9') return 0;
    if (*text->at == '0' && text->end - text->at > 1 && text->at[1] >= '0' && text->at[1] <= '9') return 0;
    *number = 0;
    while (text->at < text->end && *text->at >= '0' && *text->at <= '9') {
      const uint64_t digit = (uint64_t)(*text->at++ - '0');
      if (*number > (UINT64_C(0xffffffffffffffff) - digit) / 10) return 0;
      *number = *number * 10 + digit;
    }
    return 1;
  }

  /* A \u escape's four digits. */
  static unsigned long gradc_four_digits(const unsigned char *at) {
    unsigned long code = 0;
    for (int i = 0; i < 4; ++i) code = code * 16 + (unsigned long)gradc_hex(at[i]);
    return code;
  }

  /* Whether a JSON string (between its quotes, already checked) says `name`. */
  static int gradc_same_text(const unsigned char *at, const unsigned char *end, const char *name) {
    const unsigned char *other = (const unsigned char *)name;
    while (at < end) {
      unsigned char utf8[4];
      int length = 1;
      if (*at != '\\') {
        utf8[0] = *at++;
      } else {
        unsigned long code;
        ++at;
        switch (*at++) {
          case 'b': code = 8; break;
          case 'f': code = 12; break;
          case 'n': code = 10; break;
          case 'r': code = 13; break;
          case 't': code = 9; break;
          case 'u':
            code = gradc_four_digits(at);
            at += 4;
            if (code >= 0xd800 && code < 0xdc00 && end - at >= 6 && at[0] == '\\' && at[1] == 'u') {
              const unsigned long low = gradc_four_digits(at + 2);
              if (low >= 0xdc00 && low < 0xe000) {
                code = 0x10000 + ((code - 0xd800) << 10) + (low - 0xdc00);
                at += 6;
              }
            }
            break;
          default: code = at[-1];
        }
        length = code < 0x80 ? 1 : code < 0x800 ? 2 : code < 0x10000 ? 3 : 4;
        for (int i = length - 1; i > 0; --i) {
          utf8[i] = (unsigned char)(0x80 | (code & 0x3f));
          code >>= 6;
        }
        utf8[0] = (unsigned char)(length == 1 ? code : (0xf00UL >> length & 0xf0UL) | code);
      }
      for (int i = 0; i < length; ++i) {
        if (*other == 0 || *other++ != utf8[i]) return 0;
      }
    }
    return *other == 0;
  }

  static int gradc_open_safetensors(const void *bytes, size_t size, gradc_text *text, const unsigned char **data) {
    const unsigned char *begin = bytes;
    uint64_t length = 0;
    if (size < 8) return GRADC_BAD_WEIGHTS;
    for (int i = 7; i >= 0; --i) length = length << 8 | begin[i];
    if (length > 100000000 || length > size - 8) return GRADC_BAD_WEIGHTS;
    text->at = begin + 8;
    text->end = text->at + (size_t)length;
    text->entries = 0;
    *data = text->end;
    return *text->at == '{' && gradc_take(text, '{') ? GRADC_OK : GRADC_BAD_WEIGHTS;
  }

  /* Skips {"…": "…", …}. */
  static int gradc_skip_metadata(gradc_text *text) {
    const unsigned char *begin, *end;
    if (!gradc_take(text, '{')) return 0;
    if (gradc_take(text, '}')) return 1;
    do {
      if (!gradc_take_string(text, &begin, &end) || !gradc_take(text, ':') || !gradc_take_string(text, &begin, &end)) return 0;
    } while (gradc_take(text, ','));
    return gradc_take(text, '}');
  }

  static int gradc_take_entry(gradc_text *text, gradc_entry *entry) {
    int fields = 0;
    if (!gradc_take(text, '{')) return 0;
    do {
      const unsigned char *key, *key_end;
      int field;
      if (!gradc_take_string(text, &key, &key_end) || !gradc_take(text, ':')) return 0;
      field = gradc_same_text(key, key_end, "dtype") ? 1 : gradc_same_text(key, key_end, "shape") ? 2
            : gradc_same_text(key, key_end, "data_offsets") ? 4 : 0;
      if (field == 0 || (fields & field) != 0) return 0;
      fields |= field;
      if (field == 1) {
        if (!gradc_take_string(text, &entry->type, &entry->type_end)) return 0;
      } else if (field == 4) {
        if (!gradc_take(text, '[') || !gradc_take_number(text, &entry->begin) || !gradc_take(text, ',')
            || !gradc_take_number(text, &entry->end) || !gradc_take(text, ']')) return 0;
      } else {
        entry->rank = 0;
        if (!gradc_take(text, '[')) return 0;
        if (gradc_take(text, ']')) continue;
        do {
          if (entry->rank == 8 || !gradc_take_number(text, &entry->dims[entry->rank++])) return 0;
        } while (gradc_take(text, ','));
        if (!gradc_take(text, ']')) return 0;
      }
    } while (gradc_take(text, ','));
    return fields == 7 && gradc_take(text, '}');
  }

  /* The next tensor; its name is null behind the last one. */
  static int gradc_next_entry(gradc_text *text, gradc_entry *entry) {
    entry->name = 0;
    for (;;) {
      if (gradc_take(text, '}')) {
        gradc_skip_space(text);
        return text->at == text->end ? GRADC_OK : GRADC_BAD_WEIGHTS;
      }
      if (text->entries++ > 0 && !gradc_take(text, ',')) return GRADC_BAD_WEIGHTS;
      if (!gradc_take_string(text, &entry->name, &entry->name_end) || !gradc_take(text, ':')) return GRADC_BAD_WEIGHTS;
      if (!gradc_same_text(entry->name, entry->name_end, "__metadata__")) {
        return gradc_take_entry(text, entry) ? GRADC_OK : GRADC_BAD_WEIGHTS;
      }
      entry->name = 0;
      if (!gradc_skip_metadata(text)) return GRADC_BAD_WEIGHTS;
    }
  }

  """#
