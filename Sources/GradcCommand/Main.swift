import Basics
import Glibc

@main
enum Main {
  static func main() {
    let status = runCommand(Array(CommandLine.arguments.dropFirst()), Console.standard())
    // A result that could not be written is a failure, whatever came before.
    guard status != 0 || (fflush(stdout) == 0 && ferror(stdout) == 0) else {
      fputs("error: cannot write to standard output: the disk may be full\n", stderr)
      exit(FailureKind.input.rawValue)
    }
    exit(status)
  }
}
