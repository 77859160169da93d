import Glibc

@main
enum Main {
  static func main() {
    exit(runCommand(Array(CommandLine.arguments.dropFirst()), Console.standard()))
  }
}
