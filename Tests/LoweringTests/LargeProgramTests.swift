import Basics
import Foundation
import GraphIR
import LoopIR
import Lowering
import Operators
import Testing

@testable import TestSupport

/// Programs large enough to be cut into parts, to call the library's product and to be reduced in two kernels, at odd sizes and with smaller
/// batches: they must verify, agree with sums made here, and give the same bits on one thread and on three.
@Suite struct LargeProgramTests {
  private struct Case: CustomTestStringConvertible {
    var testDescription: String
    var maximum = 600
    /// Parameters and their shapes.
    var parameters: [[Int]] = []
    /// Sizes of a row of the input.
    var row: [Int]
    var build: @Sendable (inout GraphBuilder, ValueID, [ValueID]) throws -> ValueID
    /// The result from n, x and the parameters.
    var expected: @Sendable (Int, [Double], [[Double]]) -> [Double]
  }

  /// Row-major a [m, k] times b [k, n].
  private static func product(_ a: [Double], _ b: [Double], _ m: Int, _ n: Int, _ k: Int) -> [Double] {
    var c = [Double](repeating: 0, count: m * n)
    a.withUnsafeBufferPointer { a in
      b.withUnsafeBufferPointer { b in
        c.withUnsafeMutableBufferPointer { c in
          var i = 0
          while i < m {
            var t = 0
            while t < k {
              let factor = a[i * k + t]
              var j = 0
              while j < n {
                c[i * n + j] += factor * b[t * n + j]
                j += 1
              }
              t += 1
            }
            i += 1
          }
        }
      }
    }
    return c
  }

  private static func transposed(_ a: [Double], _ rows: Int, _ columns: Int) -> [Double] {
    (0..<columns).flatMap { column in (0..<rows).map { a[$0 * columns + column] } }
  }

  private static func dense(_ k: Int, _ n: Int, transposed isTransposed: Bool, maximum: Int = 600) -> Case {
    Case(
      testDescription: "relu of [N, \(k)] times [\(k), \(n)]\(isTransposed ? " transposed" : "")", maximum: maximum,
      parameters: [isTransposed ? [n, k] : [k, n], [n]], row: [k],
      build: { b, x, w in try b.relu(b.add(b.matmul(x, w[0], transposeB: isTransposed), w[1])) },
      expected: { rows, x, w in
        let c = product(x, isTransposed ? transposed(w[0], n, k) : w[0], rows, n, k)
        return c.enumerated().map { max(0, $0.element + w[1][$0.offset % n]) }
      })
  }

  private static let cases: [Case] = [
    dense(33, 65, transposed: false), dense(100, 16, transposed: false, maximum: 1500), dense(64, 7, transposed: false, maximum: 3000),
    dense(200, 150, transposed: true), dense(31, 257, transposed: true), dense(400, 400, transposed: false, maximum: 400),
    dense(512, 1, transposed: false),
    Case(
      testDescription: "x transposed times x", row: [70],
      build: { b, x, _ in try b.broadcast(b.reshape(b.matmul(x, x, transposeA: true), [1, 70, 70]), to: [.batch, 70, 70]) },
      expected: { rows, x, _ in
        let c = product(transposed(x, rows, 70), x, 70, 70, rows)
        return (0..<rows).flatMap { _ in c }
      }),
    Case(
      testDescription: "batches with a matrix of their own", row: [9, 65],
      build: { b, x, _ in try b.matmul(x, x, transposeB: true) },
      expected: { rows, x, _ in
        (0..<rows).flatMap { row -> [Double] in
          let a = Array(x[(row * 585)..<(row * 585 + 585)])
          return product(a, transposed(a, 9, 65), 9, 9, 65)
        }
      }),
    Case(
      testDescription: "batches with one matrix", parameters: [[65, 40]], row: [9, 65],
      build: { b, x, w in try b.matmul(x, w[0]) }, expected: { rows, x, w in product(x, w[0], rows * 9, 40, 65) }),
    Case(
      testDescription: "softmax of wide rows", row: [300], build: { b, x, _ in try b.softmax(x) },
      expected: { rows, x, _ in
        (0..<rows).flatMap { row -> [Double] in
          let values = x[(row * 300)..<(row * 300 + 300)].map { exp($0) }
          let total = values.reduce(0, +)
          return values.map { $0 / total }
        }
      }),
    Case(
      testDescription: "distance from the mean of all", row: [301],
      build: { b, x, _ in try b.subtract(x, b.mean(x)) },
      expected: { rows, x, _ in
        let mean = x.reduce(0, +) / Double(rows * 301)
        return x.map { $0 - mean }
      }),
    Case(
      testDescription: "largest and sum of columns", row: [640],
      build: { b, x, _ in try b.add(b.multiply(x, b.sum(x, axes: [0])), b.max(x, axes: [0])) },
      expected: { rows, x, _ in
        let columns = (0..<640).map { column in (0..<rows).map { x[$0 * 640 + column] } }
        let (sums, largest) = (columns.map { $0.reduce(0, +) }, columns.map { $0.max()! })
        return x.enumerated().map { $0.element * sums[$0.offset % 640] + largest[$0.offset % 640] }
      }),
  ]

  @Test(arguments: cases.indices, [true, false]) func isWhatItShouldBe(_ index: Int, _ usesBLAS: Bool) throws {
    let test = Self.cases[index]
    var builder = GraphBuilder(name: "run", symbols: [Symbol(name: "n", maximum: test.maximum)])
    let x = builder.leaf(Leaf("x", .input(0)), TensorType(.f64, [.batch] + test.row.map { Dimension($0) }))
    var model = Model(name: "large", element: .f64, symbols: builder.graph.symbols)
    let parameters = test.parameters.enumerated().map { k, shape -> ValueID in
      model.parameters.append(Parameter(name: "w\(k)", shape: shape))
      return builder.leaf(Leaf("w\(k)", .parameter), TensorType(.f64, shape.map { Dimension($0) }))
    }
    let result = try test.build(&builder, x, parameters)
    builder.output("y", result)
    model.graphs = [builder.graph]
    model.inputs = [Port(name: "x", element: .f64, dims: test.row)]
    model.outputs = [Port(name: "y", element: .f64, dims: builder.type(result).shape.dropFirst().map(\.coefficient))]
    let program = try lower(model, options: LoweringOptions(usesBLAS: usesBLAS))
    #expect(program.verify().map(\.message) == [])
    #expect(program.kernels.contains { $0.parts != .constant(1) }, "nothing is cut into parts")
    let compiled = try TestCompiler.fastest.load(program, blas: usesBLAS ? .cblas : .none)
    defer { compiled.unload() }
    let machines = [1, 3].map { Machine(program, .native(compiled.descriptor), threads: $0) }
    let weights = test.parameters.enumerated().map { wave($0.element.reduce(1, *), Double($0.offset)) }
    for rows in [test.maximum, 1, 37] {
      let input = wave(rows * test.row.reduce(1, *), 3)
      let outputs = try machines.map { machine -> [UInt8] in
        machine[.parameters] = weights.flatMap { bytes($0, .f64) }
        return try machine.run([bytes(input, .f64)], rows: rows)[0]
      }
      #expect(outputs[0] == outputs[1], "\(rows) rows: threads change bits")
      let (found, wanted) = (doubles(outputs[0], .f64), test.expected(rows, input, weights))
      #expect(found.count == wanted.count)
      let scale = wanted.reduce(1) { max($0, abs($1)) }
      let worst = zip(found, wanted).map { abs($0 - $1) }.max() ?? .infinity
      #expect(worst <= 1e-11 * scale, "\(rows) rows: off by \(worst)")
    }
  }
}
