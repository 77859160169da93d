import Basics
import CRuntime
import Glibc
import GraphIR
import LoopIR
import ONNX

/// A named array, as files hold it.
public struct Tensor {
  public var name: String
  public var dims: [Int]
  public var dtype: gradc_dtype
  /// Little-endian elements in row-major order.
  public var bytes: [UInt8]

  public init(_ name: String, dims: [Int], dtype: gradc_dtype, bytes: [UInt8]) {
    self.name = name
    self.dims = dims
    self.dtype = dtype
    self.bytes = bytes
  }

  /// The elements of a buffer.
  public init(_ name: String, dims: [Int], _ buffer: AlignedBuffer) {
    self.init(
      name, dims: dims, dtype: buffer.dtype, bytes: Array(UnsafeRawBufferPointer(start: buffer.pointer, count: buffer.bytes)))
  }

  /// `f32[8, 29]`, for messages.
  public var typeText: String { "\(String(cString: gradc_dtype_name(dtype)))[\(dims.map(String.init).joined(separator: ", "))]" }

  /// The elements as another type: integers saturate, floats round.
  public func converted(to element: ElementType) -> AlignedBuffer {
    let buffer = AlignedBuffer(element, count: dims.reduce(1, *))
    bytes.withUnsafeBytes { gradc_convert($0.baseAddress, dtype, buffer.count, buffer.pointer, buffer.dtype) }
    return buffer
  }

  /// A tensor of the compiler.
  public init(_ name: String, _ tensor: HostTensor) {
    self.init(name, dims: tensor.shape, dtype: tensor.element.dtype, bytes: tensor.bytes)
  }

  /// The same for the compiler; nil where gradc has no such element type.
  public var hostTensor: HostTensor? {
    ElementType.allCases.first { $0.dtype == dtype }.map { HostTensor($0, dims, bytes: bytes) }
  }

  // MARK: Files

  /// Reads arrays: `.npy` and ONNX's `.pb` files (named by their stem), `.safetensors` files (names inside), and folders of these.
  public static func read(_ paths: [String]) throws -> [Tensor] {
    var tensors: [Tensor] = []
    for path in try paths.flatMap(expanded) {
      if path.hasSuffix(".npy") {
        tensors.append(try readArray(path))
      } else if path.hasSuffix(".safetensors") {
        tensors += try readSafetensors(path)
      } else if path.hasSuffix(".pb") {
        tensors.append(Tensor(stem(path), try readTensorFile(path).values))
      } else {
        throw Diagnostic("\(path) is neither .npy nor .pb nor .safetensors")
      }
    }
    return tensors
  }

  /// Files of one array each.
  public enum ArrayFormat: String, Sendable { case npy, pb }

  /// Writes arrays into one `.safetensors` file, or as files of their own into a folder, which is made when it is missing. Gives the paths.
  public static func write(_ tensors: [Tensor], to path: String, format: ArrayFormat = .npy) throws -> [String] {
    if path.hasSuffix(".safetensors") {
      try writeSafetensors(tensors, path)
      return [path]
    }
    mkdir(path, 0o777)
    if format == .pb {
      return try tensors.map { tensor in
        guard let host = tensor.hostTensor else { throw Diagnostic("the array '\(tensor.name)' has no element type of ONNX") }
        let file = "\(path)/\(tensor.name.fileName).pb"
        try writeTensorFile(file, name: tensor.name, host)
        return file
      }
    }
    return try tensors.map { tensor in
      let file = "\(path)/\(tensor.name.fileName).npy"
      var array = gradc_array()
      array.dtype = tensor.dtype
      array.rank = Int32(tensor.dims.count)
      withUnsafeMutableBytes(of: &array.dims) { raw in
        let dims = raw.bindMemory(to: Int64.self)
        for (axis, size) in tensor.dims.enumerated() { dims[axis] = Int64(size) }
      }
      array.count = tensor.dims.reduce(1, *)
      array.bytes = tensor.bytes.count
      var bytes = tensor.bytes
      try bytes.withUnsafeMutableBytes { raw in
        array.data = raw.baseAddress
        try callRuntime { gradc_npy_write(file, &array, $0) }
      }
      return file
    }
  }

  /// A folder's arrays, in the order of their names, or the path itself.
  public static func expanded(_ path: String) throws -> [String] {
    var status = stat()
    guard stat(path, &status) == 0 else { throw Diagnostic("cannot open \(path): \(String(cString: strerror(errno)))") }
    guard status.st_mode & S_IFMT == S_IFDIR else { return [path] }
    guard let directory = opendir(path) else { throw Diagnostic("cannot open \(path): \(String(cString: strerror(errno)))") }
    defer { closedir(directory) }
    var names: [String] = []
    while let entry = readdir(directory) {
      let name = withUnsafePointer(to: &entry.pointee.d_name) {
        $0.withMemoryRebound(to: CChar.self, capacity: 256) { String(cString: $0) }
      }
      // Beside the inputs a folder of test data has the expected outputs.
      let isInput = name.hasSuffix(".pb") && !name.hasPrefix("output_")
      if name.hasSuffix(".npy") || name.hasSuffix(".safetensors") || isInput { names.append(name) }
    }
    return names.sorted().map { "\(path)/\($0)" }
  }

  private static func readArray(_ path: String) throws -> Tensor {
    var array = gradc_array()
    try callRuntime { gradc_npy_read(path, &array, $0) }
    defer { gradc_array_free(&array) }
    let dims = (0..<array.rank).map { Int(gradc_array_dim(&array, $0)) }
    return Tensor(stem(path), dims: dims, dtype: array.dtype, bytes: Array(UnsafeRawBufferPointer(start: array.data, count: array.bytes)))
  }

  /// A file's name without folder and extension.
  private static func stem(_ path: String) -> String {
    let file = path.split(separator: "/").last ?? Substring(path)
    return String(file.lastIndex(of: ".").map { file[..<$0] } ?? file)
  }

  private static func readSafetensors(_ path: String) throws -> [Tensor] {
    var file = gradc_safetensors()
    try callRuntime { gradc_safetensors_read(path, &file, $0) }
    defer { gradc_safetensors_free(&file) }
    return (0..<file.tensor_count).map { index in
      var tensor = file.tensors[index]
      let dims = withUnsafeBytes(of: &tensor.dims) { raw in (0..<Int(tensor.rank)).map { Int(raw.bindMemory(to: Int64.self)[$0]) } }
      return Tensor(
        String(cString: tensor.name), dims: dims, dtype: tensor.dtype,
        bytes: Array(UnsafeRawBufferPointer(start: tensor.data, count: tensor.bytes)))
    }
  }

  private static func writeSafetensors(_ tensors: [Tensor], _ path: String) throws {
    let texts = TextPool()
    let blocks = tensors.map { tensor -> UnsafeMutableRawPointer in
      let block = UnsafeMutableRawPointer.allocate(byteCount: max(1, tensor.bytes.count), alignment: 64)
      tensor.bytes.withUnsafeBytes { block.copyMemory(from: $0.baseAddress ?? UnsafeRawPointer(block), byteCount: $0.count) }
      return block
    }
    defer { for block in blocks { block.deallocate() } }
    let records = zip(tensors, blocks).map { tensor, block -> gradc_safetensor in
      var record = gradc_safetensor()
      record.name = UnsafeMutablePointer(mutating: texts.keep(tensor.name))
      record.dtype = tensor.dtype
      record.rank = Int32(tensor.dims.count)
      withUnsafeMutableBytes(of: &record.dims) { raw in
        for (axis, size) in tensor.dims.enumerated() { raw.bindMemory(to: Int64.self)[axis] = Int64(size) }
      }
      record.count = tensor.dims.reduce(1, *)
      record.bytes = tensor.bytes.count
      record.data = UnsafeRawPointer(block)
      return record
    }
    try callRuntime { gradc_safetensors_write(path, records, records.count, nil, 0, $0) }
    withExtendedLifetime(texts) {}
  }
}

extension String {
  /// The text as a file's name: letters, digits and `._-=+` stay, anything else becomes an underscore.
  fileprivate var fileName: String {
    let name = String(map { $0.isASCII && ($0.isLetter || $0.isNumber || "._-=+".contains($0)) ? $0 : "_" })
    return name.hasPrefix(".") ? "_" + name.dropFirst() : name
  }
}

extension ElementType {
  /// The type of arrays with such elements.
  public var dtype: gradc_dtype { gradc_element_dtype(runtimeElement) }
}
