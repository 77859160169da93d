import Basics
import CRuntime
import Glibc

/// One compilation by a C compiler into a shared object: in a process of its own, begun once, looked after from time to time.
final class CompileJob {
  private let source: ModelSource
  private let cache: CompileCache
  private let path: String
  private let stem: String
  private var process: pid_t = 0

  /// Compiles the units side by side and links them. Names are arguments, never part of the script. The log's last name is the sign of a
  /// failure.
  private static let script = """
    path=$1 stem=$2 count=$3
    shift 3
    trap '' HUP
    compile() {
      if [ "$count" = 1 ]; then "$@" -shared -o "$stem.so" "$stem.0.c" -lm; return; fi
      jobs= status=0 number=0
      while [ $number -lt $count ]; do
        "$@" -c -o "$stem.$number.o" "$stem.$number.c" &
        jobs="$jobs $!"
        number=$((number + 1))
      done
      for job in $jobs; do wait $job || status=1; done
      [ $status = 0 ] && "$@" -shared -o "$stem.so" "$stem".*.o -lm
    }
    if compile "$@" >"$stem.log" 2>&1; then
      mv -f "$stem.so" "$path"
      rm -f "$stem.log"
    else
      mv -f "$stem.log" "$stem.failed"
    fi
    rm -f "$stem".*.c "$stem".*.o "$stem.so"
    """

  /// Begins to compile, unless the cache has the object. The child renames its output when it is whole: it may outlive this process, and
  /// what it made serves the next one. `units`: in so many at most; by the size of the source and the machine's processors unless said.
  init(_ source: ModelSource, compiler: CCompiler, cache: CompileCache, units wanted: Int? = nil) throws {
    self.source = source
    self.cache = cache
    path = cache.path(of: source, compiler)
    stem = "\(path.dropLast(3)).\(getpid())"
    if access(path, R_OK) == 0 {
      utimensat(AT_FDCWD, path, nil, 0)
      return
    }
    let units = source.units?(wanted ?? source.unitCount) ?? [source.text]
    for (number, text) in units.enumerated() { try writeFile("\(stem).\(number).c", text) }
    let arguments = ["/bin/sh", "-c", Self.script, "gradc", path, stem, "\(units.count)"] + compiler.command + compiler.flags
    process = try spawn(arguments)
  }

  /// The model, once it is there; throws when the compiler failed. The child is not waited for here: a `wait` in the middle of training
  /// would count its memory as ours, and its end is visible in the folder.
  func poll() throws -> LoadedModel? {
    if access(path, R_OK) == 0 { return try load() }
    if access(stem + ".failed", R_OK) == 0 { throw failure() }
    return nil
  }

  /// Waits for the compiler.
  func wait() throws -> LoadedModel {
    var status: Int32 = 0
    while process != 0, waitpid(process, &status, 0) < 0, errno == EINTR {}
    process = 0
    guard let model = try poll() else { throw failure() }
    return model
  }

  private func load() throws -> LoadedModel {
    if source.callsBLAS { _ = try BLASLibrary.library() }
    guard let handle = dlopen(path, RTLD_NOW | RTLD_LOCAL) else {
      let reason = dlerror().map { String(cString: $0) } ?? "unknown reason"
      // A damaged object must not stand in the way for ever.
      unlink(path)
      throw Diagnostic("cannot load compiled code: \(reason)")
    }
    if process != 0 { cache.trim() }
    cache.removeIfTemporary([path])
    guard let symbol = dlsym(handle, source.descriptorSymbol) else { throw Diagnostic.bug("no symbol \(source.descriptorSymbol)") }
    nonisolated(unsafe) let owned = handle
    return try LoadedModel(descriptor: symbol, free: { dlclose(owned) })
  }

  private func failure() -> Diagnostic {
    let said = readText(stem + ".failed").split(separator: "\n").prefix(5).joined(separator: "; ")
    unlink(stem + ".failed")
    cache.removeIfTemporary([])
    return Diagnostic("the C compiler failed: \(said.isEmpty ? "it said nothing" : said)")
  }
}

private func writeFile(_ path: String, _ text: String) throws {
  guard let file = fopen(path, "w") else { throw Diagnostic("cannot write \(path): \(String(cString: strerror(errno)))") }
  var text = text
  let written = text.withUTF8 { fwrite($0.baseAddress, 1, $0.count, file) }
  let isWhole = written == text.utf8.count
  guard fclose(file) == 0, isWhole else {
    unlink(path)
    throw Diagnostic("cannot write \(path): \(String(cString: strerror(errno)))")
  }
}

/// The text of a file, of a longer one its first `limit` bytes; empty when there is none.
func readText(_ path: String, limit: Int = 1 << 16) -> String {
  guard let file = fopen(path, "r") else { return "" }
  defer { fclose(file) }
  var bytes = [UInt8](repeating: 0, count: limit)
  let count = fread(&bytes, 1, bytes.count, file)
  return String(decoding: bytes[..<count], as: UTF8.self)
}

/// Starts a program in a process group of its own (Ctrl-C is for us, not for it), with no standard input.
private func spawn(_ arguments: [String]) throws -> pid_t {
  var actions = posix_spawn_file_actions_t()
  posix_spawn_file_actions_init(&actions)
  posix_spawn_file_actions_addopen(&actions, 0, "/dev/null", O_RDONLY, 0)
  // Whoever reads our output must not wait for a compiler that outlives us.
  posix_spawn_file_actions_addopen(&actions, 1, "/dev/null", O_WRONLY, 0)
  posix_spawn_file_actions_addopen(&actions, 2, "/dev/null", O_WRONLY, 0)
  var attributes = posix_spawnattr_t()
  posix_spawnattr_init(&attributes)
  // The compiler has no more right to the processor than any program, whatever right the training was given.
  var ordinary = sched_param()
  posix_spawnattr_setschedparam(&attributes, &ordinary)
  posix_spawnattr_setschedpolicy(&attributes, SCHED_OTHER)
  posix_spawnattr_setflags(&attributes, Int16(POSIX_SPAWN_SETPGROUP | POSIX_SPAWN_SETSCHEDULER))
  posix_spawnattr_setpgroup(&attributes, 0)
  var words: [UnsafeMutablePointer<CChar>?] = arguments.map { strdup($0) } + [nil]
  defer {
    for word in words { free(word) }
    posix_spawn_file_actions_destroy(&actions)
    posix_spawnattr_destroy(&attributes)
  }
  var process: pid_t = 0
  let status = posix_spawn(&process, arguments[0], &actions, &attributes, &words, environ)
  guard status == 0 else { throw Diagnostic("cannot start \(arguments[0]): \(String(cString: strerror(status)))") }
  return process
}
