import Basics
import CRuntime

/// Calls a function of the runtime; what it reports becomes a diagnostic of the same kind.
@discardableResult
public func callRuntime(_ body: (UnsafeMutablePointer<gradc_error>) -> Int32) throws -> Int32 {
  let error = UnsafeMutablePointer<gradc_error>.allocate(capacity: 1)
  error.initialize(to: gradc_error())
  defer { error.deallocate() }
  let code = body(error)
  guard code != 0 else { return code }
  let message = String(cString: gradc_error_message(error))
  throw Diagnostic(message, kind: FailureKind(rawValue: code) ?? .bug)
}

/// What a compiled function's status means, in words; nothing for success.
func checkStatus(_ status: Int32, _ what: String) throws {
  switch Int(status) {
  case Int(GRADC_OK): return
  case Int(GRADC_NOT_FINITE): throw Diagnostic("\(what) gave a number that is not finite", kind: .numerical)
  case Int(GRADC_BATCH_RANGE): throw Diagnostic.bug("\(what) was called with more rows than it was compiled for")
  default: throw Diagnostic.bug("\(what) failed with status \(status)")
  }
}

/// Texts that C code keeps pointers to, alive as long as this object is.
public final class TextPool {
  private var texts: [UnsafeMutablePointer<CChar>] = []

  public init() {}

  deinit { for text in texts { text.deallocate() } }

  /// A copy of the text for C.
  public func keep(_ text: String) -> UnsafePointer<CChar> {
    let characters = text.utf8CString
    let copy = UnsafeMutablePointer<CChar>.allocate(capacity: characters.count)
    for (index, character) in characters.enumerated() { copy[index] = character }
    texts.append(copy)
    return UnsafePointer(copy)
  }
}

/// The text of a C string that may be missing; the C string is freed.
func takeText(_ text: UnsafeMutablePointer<CChar>?) -> String {
  guard let text else { return "" }
  defer { gradc_text_free(text) }
  return String(cString: text)
}
