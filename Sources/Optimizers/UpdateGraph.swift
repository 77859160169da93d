import Basics
import GraphIR
import LoopIR
import Operators

/// The graph `update`: one step of the optimizer over the flat blocks of parameters, gradients and moments.
///
/// The gradient is the mean of the backward passes since the last update. Its norm over all segments goes to the controls before
/// clipping, and must be finite or nothing is committed. `clipNorm` then scales all gradients so that their norm does not exceed it
/// (PyTorch's `clip_grad_norm_`), after that `clipValue` limits each element. Weight decay applies to the decayed segment only. Moments
/// are kept moment by moment, each in the order of the trainable parameters.
public func buildUpdateGraph(
  model: Model, optimizer choice: OptimizerChoice, clipNorm: Double? = nil, clipValue: Double? = nil
) throws -> Graph {
  for (name, value) in [("clip_norm", clipNorm), ("clip_value", clipValue)] {
    if let value, !(value > 0 && value.isFinite) { throw Diagnostic("\(name) must be a positive number, got \(value)") }
  }
  let optimizer = choice.optimizer
  var builder = GraphBuilder(name: "update", symbols: model.symbols)
  builder.path = choice.name
  let segments = try model.updateSegments(decay: optimizer.weightDecay).map { segment in
    try SegmentLeaves(&builder, segment, model, moments: optimizer.momentsPerParameter)
  }
  guard !segments.isEmpty else { return builder.graph }
  let scalars = try UpdateScalars(&builder, model.element)
  try optimizer.prepare(&builder, rate: scalars.exactRate, update: scalars.update, element: model.element)
  let norm = try builder.multiply(globalNorm(&builder, segments.map(\.gradient)), scalars.meanFactor)
  builder.update(Leaf("norm", .control(Controls.norm)), norm)
  builder.require(finite: norm)
  var factor = scalars.meanFactor
  if let clipNorm {
    factor = try builder.multiply(factor, builder.minimum(builder.divide(clipNorm, builder.add(norm, 1e-6)), 1))
  }
  let scale = try builder.cast(factor, to: model.element)
  for leaves in segments {
    var gradient = try builder.multiply(leaves.gradient, scale)
    if let clipValue { gradient = try builder.clip(gradient, low: -clipValue, high: clipValue) }
    let result = try optimizer.decayedStep(
      &builder, decays: leaves.segment.decays,
      OptimizerRequest(
        parameter: leaves.parameter, gradient: gradient, moments: leaves.moments, rate: scalars.rate, exactRate: scalars.exactRate,
        update: scalars.update))
    builder.update(leaves.parameterLeaf, result.parameter)
    for (leaf, value) in zip(leaves.momentLeaves, result.moments) { builder.update(leaf, value) }
  }
  return builder.graph
}

/// A stretch of the flat blocks that is updated by one loop.
struct UpdateSegment {
  var offset: Int
  var count: Int
  var decays: Bool
}

extension Model {
  /// The trainable stretches: with and without decay, or one when there is no decay.
  func updateSegments(decay: Double) -> [UpdateSegment] {
    let (decayed, plain) = segments
    let all =
      decay == 0
      ? [UpdateSegment(offset: 0, count: decayed + plain, decays: false)]
      : [UpdateSegment(offset: 0, count: decayed, decays: true), UpdateSegment(offset: decayed, count: plain, decays: false)]
    return all.filter { $0.count > 0 }
  }
}

extension Optimizer {
  /// A step with weight decay as the optimizer wants it.
  func decayedStep(_ builder: inout GraphBuilder, decays: Bool, _ request: OptimizerRequest) throws -> OptimizerResult {
    guard decays, weightDecay != 0 else { return try step(&builder, request) }
    var request = request
    if hasDecoupledDecay {
      let kept = try builder.subtract(1, builder.multiply(request.exactRate, weightDecay))
      request.parameter = try builder.multiply(request.parameter, builder.cast(kept, to: builder.type(request.parameter).element))
    } else {
      request.gradient = try builder.add(request.gradient, builder.multiply(request.parameter, weightDecay))
    }
    return try step(&builder, request)
  }
}

/// A segment's leaves in the update graph.
private struct SegmentLeaves {
  let segment: UpdateSegment
  let parameterLeaf: Leaf
  let momentLeaves: [Leaf]
  let parameter: ValueID
  let gradient: ValueID
  let moments: [ValueID]

  init(_ builder: inout GraphBuilder, _ segment: UpdateSegment, _ model: Model, moments count: Int) throws {
    let type = TensorType(model.element, [Dimension(segment.count)])
    let trainable = model.segments.decayed + model.segments.plain
    self.segment = segment
    parameterLeaf = Leaf("parameters", .segment(.parameters, offset: segment.offset))
    momentLeaves = (0..<count).map { Leaf("moment\($0 + 1)", .segment(.moments, offset: $0 * trainable + segment.offset)) }
    parameter = builder.leaf(parameterLeaf, type)
    gradient = builder.leaf(Leaf("gradients", .segment(.gradients, offset: segment.offset)), type)
    moments = momentLeaves.map { builder.leaf($0, type) }
  }
}

/// Scalars that all segments share.
private struct UpdateScalars {
  /// 1 / backward passes since the last update, as f64.
  let meanFactor: ValueID
  let rate: ValueID
  let exactRate: ValueID
  let update: ValueID

  init(_ builder: inout GraphBuilder, _ element: ElementType) throws {
    let micro = builder.leaf(Leaf("micro", .control(Controls.micro)), TensorType(.i64, []))
    let step = builder.leaf(Leaf("step", .control(Controls.step)), TensorType(.i64, []))
    exactRate = builder.leaf(Leaf("rate", .control(Controls.rate)), TensorType(.f64, []))
    rate = try builder.cast(exactRate, to: element)
    meanFactor = try builder.divide(1, builder.maximum(builder.cast(micro, to: .f64), 1))
    update = try builder.add(builder.cast(step, to: .f64), 1)
  }
}

/// The Euclidean norm of several tensors together, as an f64 scalar.
private func globalNorm(_ builder: inout GraphBuilder, _ tensors: [ValueID]) throws -> ValueID {
  var total: ValueID?
  for tensor in tensors {
    let wide = try builder.cast(tensor, to: .f64)
    let squares = try builder.sum(builder.multiply(wide, wide))
    total = try total.map { try builder.add($0, squares) } ?? squares
  }
  return try builder.sqrt(total!)
}
