import Basics
import GraphIR
import LoopIR

/// A loop as ONNX's Scan: what the body captures it sees by name, and what it reads slice by slice are scanned inputs.
extension GraphExport {
  /// A captured tensor whose slices the body reads, one a round.
  private struct Slice: Hashable {
    var operand: Int
    var axis: Int
    var reversed: Bool
  }

  mutating func export(_ scan: Scan, _ operands: [ONNXTensor]) throws -> [ONNXTensor] {
    let (body, path) = (scan.body.graph, call.writer.path)
    let values = scan.handedOn
    let live = body.dependencies(of: values)
    let slices = body.ids.filter(live.contains).compactMap { slice(of: $0, in: scan) }.reduce(into: [Slice]()) { all, slice in
      if !all.contains(slice) { all.append(slice) }
    }
    let states = scan.body.carriedTypes.map { input("state", $0) }
    let scanned = slices.map { slice -> ONNXTensor in
      var shape = operands[slice.operand].shape
      shape.remove(at: slice.axis)
      return input("slice", TensorType(operands[slice.operand].element, shape))
    }
    // The number of the round, where something else reads it, or where nothing else would tell how many rounds there are.
    let needsRound = slices.isEmpty || readsRound(scan)
    let round = needsRound ? [input("round", TensorType(.i64, []))] : []
    let mark = call.writer.beginSubgraph()
    let inner = try export(scan, operands, live, slices, scanned, states, round.first)
    let outputs = try values.map { try call.writer.expand(inner[$0]![0], to: body.type($0).shape) }
    let graph = call.writer.endSubgraph(mark, name: body.name, inputs: states + scanned + round, outputs: outputs)
    call.writer.path = path
    let stacked = values.dropFirst(scan.carried).map { body.type($0) }
    let rounds = needsRound ? [call.writer.integers(Array(0..<scan.rounds))] : []
    return call.writer.node(
      "Scan", operands[scan.captured...] + slices.map { operands[$0.operand] } + rounds,
      [
        "body": graph, "num_scan_inputs": .int(slices.count + rounds.count),
        "scan_input_axes": .ints(slices.map(\.axis) + rounds.map { _ in 0 }),
        "scan_input_directions": .ints(slices.map { $0.reversed ? 1 : 0 } + rounds.map { _ in 0 }),
        "scan_output_axes": .ints(stacked.map(\.stackingAxis)),
        "scan_output_directions": .ints(stacked.indices.map { scan.reversed.contains($0) ? 1 : 0 }),
      ], types: scan.body.carriedTypes + stacked.map { $0.stacked(scan.rounds) })
  }

  private mutating func input(_ name: String, _ type: TensorType) -> ONNXTensor {
    ONNXTensor(name: call.writer.name(name), element: type.element, shape: type.shape)
  }

  /// The nodes of the body, by their values.
  private mutating func export(
    _ scan: Scan, _ operands: [ONNXTensor], _ live: Set<ValueID>, _ slices: [Slice], _ scanned: [ONNXTensor], _ states: [ONNXTensor],
    _ round: ONNXTensor?
  ) throws -> [ValueID: [ONNXTensor]] {
    let body = scan.body.graph
    var values: [ValueID: [ONNXTensor]] = [:]
    if let round { rounds[scan.body.counter!.name] = round }
    for id in body.ids where live.contains(id) {
      let node = body[id]
      call.writer.path = node.path
      if let slice = slice(of: id, in: scan) {
        values[id] = [scanned[slices.firstIndex(of: slice)!]]
        continue
      }
      switch node.kind {
      case .leaf(let leaf):
        switch leaf.role {
        case .captured(let number): values[id] = [operands[number]]
        case .carried(let number): values[id] = [states[number]]
        default: values[id] = [try export(leaf, node.types[0])]
        }
      case .apply(let op, let inner):
        values[id] = try export(op, inner.map { values[$0]! }, inner.map { body[$0].types }, node.types)
      }
    }
    return values
  }

  /// The slice of a captured tensor that the node is; nil for other nodes, and where a tensor has not one slice for each round.
  private func slice(of id: ValueID, in scan: Scan) -> Slice? {
    let (body, node) = (scan.body.graph, scan.body.graph[id])
    guard let op = node.op as? StepSlice, op.counter == scan.body.counter?.name,
      case .captured(let number)? = body[node.operands[0]].leaf?.role, body.type(node.operands[0]).shape[op.axis] == Dimension(scan.rounds)
    else { return nil }
    return Slice(operand: number, axis: op.axis, reversed: op.reversed)
  }

  /// Whether the body, or a loop in it, reads slices of the round that are no scanned inputs.
  private func readsRound(_ scan: Scan) -> Bool {
    func reads(_ other: Scan) -> Bool {
      other.body.graph.ids.contains { id in
        switch other.body.graph[id].op {
        case let op as StepSlice: op.counter == scan.body.counter?.name && slice(of: id, in: other) == nil
        case let op as Scan: reads(op)
        default: false
        }
      }
    }
    return reads(scan)
  }

  /// A slice that belongs to the round, by the round's number.
  mutating func export(_ slice: StepSlice, _ operand: ONNXTensor, _ result: TensorType) throws -> [ONNXTensor] {
    guard var round = rounds[slice.counter] else { throw Diagnostic.bug("step_slice outside of a loop") }
    if slice.reversed {
      let last = call.writer.number(Double(operand.shape[slice.axis].coefficient - 1), .i64)
      round = try call.writer.pointwise("Sub", [last, round])
    }
    return [call.writer.node("Gather", [operand, round], ["axis": .int(slice.axis)], shape: result.shape)]
  }
}

extension Scan {
  /// The values of the body that a round hands on or out, in the order of the results.
  fileprivate var handedOn: [ValueID] {
    func number(_ update: Update) -> Int? {
      switch update.leaf.role {
      case .carried(let number): number
      case .stacked(let number): carried + number
      default: nil
      }
    }
    let updates = body.graph.updates.compactMap { update in number(update).map { ($0, update.value) } }
    return updates.sorted { $0.0 < $1.0 }.map(\.1) + saved.map { ValueID($0) }
  }
}

extension Graph {
  /// The values that some values are computed from, and those themselves.
  fileprivate func dependencies(of values: [ValueID]) -> Set<ValueID> {
    var live = Set<ValueID>()
    var pending = values
    while let id = pending.popLast() { if live.insert(id).inserted { pending += self[id].operands } }
    return live
  }
}
