import Glibc
import Toolchain

/// `gradc-bench FOLDER WORKLOAD KIND BATCH THREADS [--jit tcc|clang|tiered] [--blas cblas|none] [--precision f32|f64]
/// [--no-winograd] [--gradients FILE.safetensors]`: gradc as one peer of the benchmark.
///
/// Compiles FOLDER/WORKLOAD.gradc, does one step and says `READY value`. To `RUN n` it answers `DONE seconds value` after n calls of the
/// compiled step; the first RUN waits for clang's code when that is still being made. `QUIT` ends it.
///
/// `gradc-bench convolution FILE STRIDE,PADDING,DILATION,GROUPS THREADS` does the same with one convolution and its gradients.
@main
enum Main {
  static func main() {
    do {
      let arguments = Array(CommandLine.arguments.dropFirst())
      if arguments.first == "convolution" {
        let work = try ConvolutionWork(Array(arguments.dropFirst()))
        say("READY \(try work.run(steps: 1))")
        return try converse(work.run)
      }
      let request = try BenchRequest(arguments)
      let work = try Work(request)
      say("READY \(try work.run(steps: 1))")
      if let path = request.gradients { try work.writeGradients(to: path) }
      try converse(work.run, before: work.waitForCompiler)
    } catch {
      fputs("gradc-bench: \(error)\n", stderr)
      exit(1)
    }
  }

  private static func converse(_ run: (Int) throws -> Double, before: () throws -> Void = {}) throws {
    while let line = readLine() {
      let words = line.split(separator: " ")
      guard words.first == "RUN", words.count == 2, let steps = Int(words[1]), steps > 0 else { return }
      try before()
      let begin = monotonicSeconds()
      let value = try run(steps)
      say("DONE \(monotonicSeconds() - begin) \(value)")
    }
  }

  private static func say(_ line: String) {
    print(line)
    fflush(stdout)
  }

  private static func monotonicSeconds() -> Double {
    var time = timespec()
    clock_gettime(CLOCK_MONOTONIC, &time)
    return Double(time.tv_sec) + 1e-9 * Double(time.tv_nsec)
  }
}
