/// Words that C, C++ or the headers which emitted code includes already use.
private let reservedWords: Set<String> = [
  "alignas", "alignof", "and", "and_eq", "asm", "auto", "bitand", "bitor", "bool", "break", "case", "catch", "char", "class", "compl",
  "const", "constexpr", "const_cast", "continue", "decltype", "default", "delete", "do", "double", "dynamic_cast", "else", "enum",
  "explicit", "export", "extern", "false", "float", "for", "friend", "goto", "if", "inline", "int", "long", "mutable", "namespace", "new",
  "noexcept", "not", "not_eq", "nullptr", "operator", "or", "or_eq", "private", "protected", "public", "register", "reinterpret_cast",
  "requires", "restrict", "return", "short", "signed", "sizeof", "static", "static_assert", "static_cast", "struct", "switch", "template",
  "this", "thread_local", "throw", "true", "try", "typedef", "typeid", "typename", "typeof", "union", "unsigned", "using", "virtual",
  "void", "volatile", "wchar_t", "while", "xor", "xor_eq", "concept", "co_await", "co_return", "co_yield", "linux", "unix", "errno",
  "argc", "argv", "main", "NULL", "INFINITY", "NAN", "EOF", "size_t", "ptrdiff_t", "offsetof", "memcpy", "memset", "memmove", "memcmp",
  "strlen",
  "int8_t", "int16_t", "int32_t", "int64_t", "uint8_t", "uint16_t", "uint32_t", "uint64_t", "max_align_t",
  "signgam", "time", "read", "write", "cblas_sgemm", "cblas_dgemm",
]

/// Functions of math.h, which are there for three types.
private let mathFunctions: Set<String> = Set(
  [
    "acos", "acosh", "asin", "asinh", "atan", "atan2", "atanh", "cbrt", "ceil", "copysign", "cos", "cosh", "drem", "erf", "erfc", "exp",
    "exp10",
    "exp2", "expm1", "fabs", "fdim", "finite", "floor", "fma", "fmax", "fmin", "fmod", "frexp", "gamma", "hypot", "ilogb", "isinf", "isnan",
    "j0", "j1", "jn", "ldexp", "lgamma", "llrint", "llround", "log", "log10", "log1p", "log2", "logb", "lrint", "lround", "modf", "nan",
    "nearbyint", "nextafter", "nexttoward", "pow", "remainder", "remquo", "rint", "round", "roundeven", "scalb", "scalbln", "scalbn",
    "significand", "sin", "sincos", "sinh", "sqrt", "tan", "tanh", "tgamma", "trunc", "y0", "y1", "yn",
  ].flatMap { [$0, $0 + "f", $0 + "l"] })

/// Functions and objects of string.h, stdlib.h and stdio.h.
private let libraryNames: Set<String> = [
  "abort", "abs", "alloca", "atexit", "atof", "atoi", "atol", "bcmp", "bcopy", "bsearch", "bzero", "calloc", "clearenv", "div", "dprintf",
  "exit", "fclose", "feof", "ferror", "fflush", "ffs", "fgetc", "fgets", "fopen", "fprintf", "fputc", "fputs", "fread", "free", "fscanf",
  "fseek", "ftell", "fwrite", "getc", "getchar", "getenv", "getline", "gets", "index", "labs", "ldiv", "llabs", "lldiv", "malloc", "mblen",
  "memccpy", "memchr", "memmem", "perror", "popen", "printf", "putc", "putchar", "putenv", "puts", "qsort", "rand", "random", "realloc",
  "remove", "rename", "rewind", "rindex", "scanf", "select", "setbuf", "setenv", "setstate", "snprintf", "sprintf", "srand", "srandom",
  "sscanf", "stderr", "stdin", "stdout", "stpcpy", "strcasecmp", "strcat", "strchr", "strcmp", "strcoll", "strcpy", "strcspn", "strdup",
  "strerror", "strncasecmp", "strncat", "strncmp", "strncpy", "strndup", "strpbrk", "strrchr", "strsep", "strspn", "strstr", "strtod",
  "strtok", "strtol", "strxfrm", "system", "tmpfile", "tmpnam", "ungetc", "unsetenv",
]

/// Any text as a C identifier: what is not an ASCII letter, digit or underscore becomes an underscore. Not yet unique.
public func cIdentifier(_ text: String) -> String {
  // A character of several bytes is one underscore: the bytes after its first begin with 10.
  var bytes = Array(
    text.utf8.lazy.filter { $0 & 0xc0 != 0x80 }.map { isIdentifierByte($0) ? $0 : UInt8(ascii: "_") }.drop { $0 == UInt8(ascii: "_") })
  if bytes.first.map({ (48...57).contains($0) }) ?? true { bytes.insert(UInt8(ascii: "x"), at: 0) }
  let name = String(decoding: bytes.prefix(120), as: UTF8.self)
  let isTaken = reservedWords.contains(name) || mathFunctions.contains(name) || libraryNames.contains(name)
  return isTaken || name.hasPrefix("gradc_") || name.hasPrefix("GRADC_") ? "x_" + name : name
}

private func isIdentifierByte(_ byte: UInt8) -> Bool {
  switch byte {
  case UInt8(ascii: "a")...UInt8(ascii: "z"), UInt8(ascii: "A")...UInt8(ascii: "Z"), UInt8(ascii: "0")...UInt8(ascii: "9"): true
  default: byte == UInt8(ascii: "_")
  }
}

/// Hands out C identifiers, none of them twice.
struct NameTable {
  private var taken: Set<String>

  init(taken: Set<String> = []) { self.taken = taken }

  /// The text as an identifier that this table has not given before.
  mutating func unique(_ text: String) -> String {
    let base = cIdentifier(text)
    var name = base
    var number = 2
    while !taken.insert(name).inserted {
      name = "\(base)_\(number)"
      number += 1
    }
    return name
  }

  /// All names given and reserved.
  var names: Set<String> { taken }
}

/// Text that may stand inside a C comment: one line, no comment marks, no trigraphs, nothing that changes the direction of text.
func commentText(_ text: String) -> String {
  var result = ""
  for scalar in text.unicodeScalars {
    let shown = isCommentCharacter(scalar) ? Character(scalar) : scalar == "\n" || scalar == "\t" || scalar == "\r" ? " " : "_"
    let last = result.last
    if (last == "*" && shown == "/") || (last == "/" && shown == "*") || (last == "?" && shown == "?") { result.append(" ") }
    result.append(shown == "\\" ? "_" : shown)
  }
  return result
}

private func isCommentCharacter(_ scalar: Unicode.Scalar) -> Bool {
  if scalar.isASCII { return scalar.value >= 0x20 && scalar.value < 0x7f }
  // Letters up to Cyrillic, arrows, operators: nothing of the right-to-left blocks or of the invisible ones.
  return (0xa1...0x52f).contains(scalar.value) && scalar.value != 0xad || (0x2190...0x22ff).contains(scalar.value)
}

/// A C string literal of these bytes, quotes included. Octal escapes always have three digits, so that no digit after them joins in.
func stringLiteral(_ bytes: some Sequence<UInt8>) -> String {
  var result: [UInt8] = [UInt8(ascii: "\"")]
  for byte in bytes {
    switch byte {
    case UInt8(ascii: "\n"): result += [UInt8(ascii: "\\"), UInt8(ascii: "n")]
    case UInt8(ascii: "\""), UInt8(ascii: "\\"), UInt8(ascii: "?"): result += [UInt8(ascii: "\\"), byte]
    case 0x20..<0x7f: result.append(byte)
    default: result += [UInt8(ascii: "\\"), 48 + byte >> 6, 48 + (byte >> 3) & 7, 48 + byte & 7]
    }
  }
  result.append(UInt8(ascii: "\""))
  return String(decoding: result, as: UTF8.self)
}

/// A C string literal of a text, quotes included.
func stringLiteral(_ text: String) -> String { stringLiteral(text.utf8) }
