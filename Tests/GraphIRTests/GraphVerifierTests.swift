import Basics
import GraphIR
import LoopIR
import Operators
import Testing

@Suite struct GraphVerifierTests {
  private func graph() throws -> Graph {
    var builder = GraphBuilder(name: "g", symbols: [Symbol(name: "n", maximum: 4)])
    let x = builder.leaf(Leaf("x", .input(0)), TensorType(.f32, [.batch, 3]))
    let w = builder.leaf(Leaf("w", .parameter), TensorType(.f32, [3]))
    let loss = try builder.mean(builder.relu(builder.multiply(x, w)))
    builder.output("loss", loss)
    builder.update(Leaf("w", .parameter), w)
    builder.require(finite: loss)
    return builder.graph
  }

  private func problems(_ change: (inout Graph) -> Void) throws -> String {
    var graph = try graph()
    change(&graph)
    return graph.verify().map(\.message).joined(separator: "\n")
  }

  @Test func aSoundGraph() throws {
    #expect(try problems { _ in } == "")
    try graph().check("nothing")
  }

  @Test func operandOrder() throws {
    #expect(try problems { $0.nodes.swapAt(3, 4) }.contains("does not come before it"))
    #expect(try problems { $0.nodes[3].kind = .apply(Multiply(), [ValueID(0), ValueID(-1)]) }.contains("%-1 does not come before it"))
  }

  @Test func types() throws {
    #expect(try problems { $0.nodes[4].types = [TensorType(.f64, [.batch, 3])] }.contains("the types are f32[N, 3]"))
    #expect(try problems { $0.nodes[4].kind = .apply(Relu(), []) }.contains("relu takes 1 operands (x), got 0"))
    #expect(try problems { $0.symbols = [] }.contains("size N is negative or undeclared"))
    #expect(try problems { $0.nodes[4].types = [] }.contains("%4 has no type"))
  }

  @Test func tuples() throws {
    let message = try problems { graph in
      let type = TensorType(.f32, [.batch, 1])
      graph.nodes.append(Node(.apply(TopK(k: 1), [ValueID(0)]), types: [type, type.with(.i32)]))
      graph.outputs.append(GraphOutput("t", ValueID(graph.nodes.count - 1)))
      graph.nodes.append(Node(.apply(Relu(), [ValueID(graph.nodes.count - 1)]), types: [type]))
    }
    #expect(message.contains("is a tuple"))
    #expect(message.contains("output 't' is the tuple"))
  }

  @Test func outputsAndUpdates() throws {
    #expect(try problems { $0.outputs[0].value = ValueID(99) }.contains("output 'loss' is %99, which does not exist"))
    #expect(try problems { $0.outputs.append($0.outputs[0]) }.contains("output 'loss' stands twice"))
    #expect(try problems { $0.updates[0].value = ValueID(0) }.contains("the update of parameter \"w\" has type f32[N, 3], the leaf f32[3]"))
    #expect(try problems { $0.requirements = [ValueID(0)] }.contains("what must be finite is a float scalar"))
    #expect(try problems { $0.nodes.append($0.nodes[0]) }.contains("the leaf stands twice"))
  }

  @Test func checkNamesTheStage() throws {
    var graph = try graph()
    graph.outputs[0].value = ValueID(99)
    let error = try #require(throws: Diagnostic.self) { try graph.check("fusion") }
    #expect(error.message.hasSuffix("(after fusion)"))
    #expect(error.kind == .bug)
    #expect(error.notes[0].message.contains("%0 = input 0 \"x\""))
  }
}
