import CResources

/// The text of `gradc_model.h`, which emitted code includes: the runtime's own header, part of the executable.
public let descriptorHeader = resource("include/gradc_model.h")

/// The text of a file of the runtime.
func resource(_ path: String) -> String {
  var index = 0
  while let file = gradc_resource_at(index)?.pointee {
    if String(cString: file.path) == path {
      return String(decoding: UnsafeBufferPointer(start: file.bytes, count: file.byte_count), as: UTF8.self)
    }
    index += 1
  }
  preconditionFailure("\(path) is not among the resources")
}
