import Basics
import GraphIR
import LoopIR

/// The sizes of one direction of a convolution, as methods choose and build by them.
struct ConvolutionShape: Hashable, Sendable {
  var direction: Convolution.Direction
  var element: ElementType
  /// Images in a call, with the batch symbol, and at most.
  var batch: Dimension
  var maximumBatch: Int
  /// Channels of x and of y, of all groups.
  var inputs: Int
  var outputs: Int
  var groups: Int
  /// Spatial sizes of x, the filter and y.
  var image: [Int]
  var kernel: [Int]
  var result: [Int]
  var strides: [Int]
  var dilations: [Int]
  var padding: [Int]

  /// The shape of a direction with types in the user's order of axes.
  init(_ convolution: Convolution, _ operands: [TensorType], _ result: TensorType, symbols: [Symbol]) {
    let (x, w, y) = convolution.roles(operands, result)
    direction = convolution.direction
    element = x.element
    batch = x.shape[0]
    maximumBatch = TensorType(.u8, [batch]).maximumCount(symbols)
    inputs = x.shape[1].coefficient
    outputs = y.shape[1].coefficient
    groups = convolution.groups
    image = x.shape.dropFirst(2).map(\.coefficient)
    kernel = w.shape.dropFirst(2).map(\.coefficient)
    self.result = y.shape.dropFirst(2).map(\.coefficient)
    strides = convolution.strides
    dilations = convolution.dilations
    padding = convolution.padding
  }

  /// Direction, element type and sizes in words: by this, choices of methods are remembered.
  var key: String {
    func text(_ sizes: [Int]) -> String { sizes.map(String.init).joined(separator: "x") }
    var key = "\(direction.rawValue), \(element.rawValue) [\(([maximumBatch, inputs] + image).map(String.init).joined(separator: ", "))]"
    key += " by \(outputs) filters \(text(kernel)) to \(text(result))"
    if strides.contains(where: { $0 > 1 }) { key += ", stride \(text(strides))" }
    if dilations.contains(where: { $0 > 1 }) { key += ", dilation \(text(dilations))" }
    if groups > 1 { key += ", \(groups) groups" }
    return padding.contains(where: { $0 != 0 }) ? key + ", padding \(text(padding))" : key
  }

  func note(_ method: String) -> ConvolutionNote { ConvolutionNote(method: method, shape: key, operations: operations) }

  /// Filter elements at one channel pair.
  var taps: Int { kernel.reduce(1, *) }
  var imagePixels: Int { image.reduce(1, *) }
  var resultPixels: Int { result.reduce(1, *) }
  /// Floating point operations of the direct computation at the largest batch, the same for all directions.
  var operations: Double { 2 * Double(maximumBatch) * Double(resultPixels) * Double(outputs) * Double(taps) * Double(inputs / groups) }
}

/// One way to compute a direction of a convolution.
protocol ConvolutionMethod: Sendable {
  /// As told by profiles and asked for by options: `patches`, `winograd`.
  var name: String { get }
  /// The time that it would take, in floating point operations at the machine's peak; nil where it cannot be used.
  func cost(of shape: ConvolutionShape) -> Double?
  /// Builds the node, and nodes of its own for filters in another order.
  func plan(_ convolution: Convolution, _ operands: [ValueID], result: TensorType, shape: ConvolutionShape, in builder: inout GraphBuilder)
    throws -> ValueID
  /// The kernels of a planned node and the pointwise members over its result. Images are channels last here.
  func kernels(_ planned: ConvolutionCluster) -> [LoweredKernel]
}

/// The names of all methods of convolutions.
public var convolutionMethodNames: [String] { convolutionMethods.map(\.name) }

/// All ways, of which the cheapest is taken.
let convolutionMethods: [any ConvolutionMethod] = [
  DepthwiseConvolution(), DepthwiseFilterGradient(), WinogradConvolution(), PatchConvolution(), PatchFilterGradient(),
  WinogradFilterGradient(),
]

/// A convolution whose method is chosen. Operands are those of the operator, the filter (or the filter's gradient) in the method's own order.
struct PlannedConvolution: Operator {
  static let name = "convolution"
  static let operandNames = ["x", "filter"]
  static let formula = "y[n, p, o] = sum over t, c of x[n, stride p + dilation t - padding, c] filter[t, c, o]"
  static let examples: [OperatorExample] = []
  var method: String
  var direction: String
  var groups: Int
  var strides: [Int]
  var dilations: [Int]
  var padding: [Int]
  /// Spatial sizes of the filter, which its own order may hide.
  var kernel: [Int]
  var result: TensorType

  init(_ method: String, _ convolution: Convolution, kernel: [Int], result: TensorType) {
    self.method = method
    direction = convolution.direction.rawValue
    groups = convolution.groups
    strides = convolution.strides
    dilations = convolution.dilations
    padding = convolution.padding
    self.kernel = kernel
    self.result = result
  }

  var convolution: Convolution {
    Convolution(Convolution.Direction(rawValue: direction)!, groups: groups, strides: strides, dilations: dilations, padding: padding)
  }

  func resultTypes(_ operands: [TensorType]) throws -> [TensorType] { [result] }

  func lowering(_ operands: [TensorType], _ results: [TensorType]) -> Lowering { .convolution(convolution) }
}

/// Builds the node of the cheapest method that the options allow.
func planConvolution(
  _ convolution: Convolution, _ operands: [ValueID], result: TensorType, options: LoweringOptions, in builder: inout GraphBuilder
) throws -> ValueID {
  let types = operands.map { builder.type($0) }
  let shape = ConvolutionShape(convolution, types, result, symbols: builder.graph.symbols)
  let usable = convolutionMethods.filter { options.allowsConvolution($0.name) }.compactMap { method in
    method.cost(of: shape).map { (method, $0) }
  }
  let wanted = options.convolutionChoices[shape.key] ?? options.preferredConvolution
  guard let best = usable.first(where: { $0.0.name == wanted })?.0 ?? usable.min(by: { $0.1 < $1.1 })?.0 else {
    throw Diagnostic.bug("no method computes \(shape)")
  }
  return try best.plan(convolution, operands, result: result, shape: shape, in: &builder)
}

/// What a method's loops are made from.
struct ConvolutionCluster {
  let cluster: Cluster
  let index: Int
  let context: KernelContext
  let name: String
  let comments: [String]
  let shape: ConvolutionShape
  let planned: PlannedConvolution
  /// The node.
  var id: ValueID { cluster.members[0] }
  /// The image operand that is gathered: x, or dy in the input's gradient.
  var operands: [ValueID] { context.graph[id].operands }
}

/// The kernels of a cluster around a convolution.
func lowerConvolution(_ cluster: Cluster, index: Int, context: KernelContext, named name: String, comments: [String]) -> [LoweredKernel] {
  let node = context.graph[cluster.members[0]]
  let product = node.op as? PackedProduct
  guard let planned = product?.planned ?? node.op as? PlannedConvolution,
    let method = convolutionMethods.first(where: { $0.name == planned.method })
  else {
    fatalError("not a planned convolution")
  }
  let shape = ConvolutionShape(planned, node, context.graph)
  return method.kernels(
    ConvolutionCluster(
      cluster: cluster, index: index, context: context, name: name,
      comments: product == nil ? comments + [shape.note(method.name).comment] : comments,
      shape: shape,
      planned: planned))
}

extension ConvolutionShape {
  /// The shape of a planned node, whose image operands and result lie channels last.
  fileprivate init(_ planned: PlannedConvolution, _ node: Node, _ graph: Graph) {
    let convolution = planned.convolution
    func userOrder(_ type: TensorType) -> TensorType {
      TensorType(type.element, [type.shape[0], type.shape[type.rank - 1]] + type.shape[1..<type.rank - 1])
    }
    let operands = node.operands.map { graph.type($0) }
    var types = operands
    for k in convolution.imageOperands { types[k] = userOrder(operands[k]) }
    let kernel = planned.kernel.map { Dimension($0) }
    switch convolution.direction {
    case .forward:
      let result = userOrder(node.types[0])
      let filter: Shape = [result.shape[1], Dimension(types[0].shape[1].coefficient / planned.groups)] + kernel
      self.init(convolution, [types[0], TensorType(types[0].element, filter)], result, symbols: graph.symbols)
    case .inputGradient:
      let result = userOrder(node.types[0])
      let filter: Shape = [types[0].shape[1], Dimension(result.shape[1].coefficient / planned.groups)] + kernel
      self.init(convolution, [types[0], TensorType(types[0].element, filter)], result, symbols: graph.symbols)
    case .filterGradient:
      let filter: Shape = [types[1].shape[1], Dimension(types[0].shape[1].coefficient / planned.groups)] + kernel
      self.init(convolution, types, TensorType(types[0].element, filter), symbols: graph.symbols)
    }
  }
}

/// A filter [O, C/groups, K…] as the matrix that rows of patches are multiplied with: [K…, C/groups, O], or for the input's gradient
/// [K…, O/groups, C].
struct PackedFilter: Operator {
  static let name = "pack"
  static let operandNames = ["filter"]
  static let formula = "y[t, c, o] = filter[o, c, t]"
  static let examples: [OperatorExample] = []
  var groups: Int
  var isTurned: Bool

  func resultTypes(_ operands: [TensorType]) throws -> [TensorType] {
    let (o, c) = (operands[0].shape[0], operands[0].shape[1])
    let channels: Shape = isTurned ? [Dimension(o.coefficient / groups), Dimension(c.coefficient * groups)] : [c, o]
    return [TensorType(operands[0].element, operands[0].shape.dropFirst(2) + channels)]
  }

  func lowering(_ operands: [TensorType], _ results: [TensorType]) -> Lowering {
    let rank = results[0].rank
    let taps = (0..<rank - 2).map { Index.variable("i\($0)") }
    let (row, column) = (Index.variable("i\(rank - 2)"), Index.variable("i\(rank - 1)"))
    guard isTurned else { return .map(.element(0, [column, row] + taps)) }
    let (o, c) = (operands[0].shape[0].coefficient, operands[0].shape[1].coefficient)
    guard groups > 1 else { return .map(.element(0, [row, column] + taps)) }
    return .map(.element(0, [.divide(column, c) * (o / groups) + row, .remainder(column, c)] + taps))
  }
}
