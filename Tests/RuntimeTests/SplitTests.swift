import CRuntime
import XCTest

final class SplitTests: XCTestCase {
  private func split(_ count: Int, _ shares: [Double], labels: [Int32]? = nil, seed: UInt64 = 1) throws -> [[UInt32]] {
    var split = gradc_split()
    try check { gradc_split_rows(count, shares, labels, seed, &split, $0) }
    defer { gradc_split_free(&split) }
    return [GRADC_PART_TRAIN, GRADC_PART_VALIDATION, GRADC_PART_TEST].map { part in
      var size = 0
      let rows = gradc_split_part(&split, part, &size)
      return Array(UnsafeBufferPointer(start: rows, count: size))
    }
  }

  /// The values that others publish for SplitMix64.
  func testRandomNumbers() {
    XCTAssertEqual((0..<3).map { gradc_random(0, $0) }, [0xe220_a839_7b1d_cdaf, 0x6e78_9e6a_a1b9_65f4, 0x06c4_5d18_8009_454f])
    XCTAssertEqual(
      (0..<5).map { gradc_random(1_234_567, $0) },
      [
        6_457_827_717_110_365_317, 3_203_168_211_198_807_973, 9_817_491_932_198_370_423, 4_593_380_528_125_082_431,
        16_408_922_859_458_223_821,
      ])
  }

  func testShuffleIsAFunctionOfSeedAndEpoch() {
    func order(_ seed: UInt64, _ epoch: UInt64) -> [UInt32] {
      var rows = Array(0..<100 as Range<UInt32>)
      gradc_shuffle(&rows, rows.count, seed, epoch)
      return rows
    }
    XCTAssertEqual(order(7, 3), order(7, 3))
    XCTAssertEqual(order(7, 3).sorted(), Array(0..<100))
    XCTAssertNotEqual(order(7, 3), order(7, 4))
    XCTAssertNotEqual(order(7, 3), order(8, 3))
    XCTAssertNotEqual(order(7, 3), Array(0..<100))
  }

  /// All six orders of three rows are equally likely: 1000 each, within five standard deviations.
  func testShuffleIsUnbiased() {
    var counts: [[UInt32]: Int] = [:]
    for seed in 0..<6000 as Range<UInt64> {
      var rows: [UInt32] = [0, 1, 2]
      gradc_shuffle(&rows, 3, seed, 0)
      counts[rows, default: 0] += 1
    }
    XCTAssertEqual(counts.count, 6)
    for (order, count) in counts { XCTAssertEqual(Double(count), 1000, accuracy: 145, "\(order)") }
  }

  func testEveryRowInExactlyOnePart() throws {
    for count in [7, 10, 303, 1000] {
      for shares in [[0.7, 0.15, 0.15], [0.34, 0.33, 0.33]] {
        let parts = try split(count, shares)
        XCTAssertEqual(parts.flatMap { $0 }.sorted(), Array(0..<UInt32(count)))
        for part in parts { XCTAssertEqual(part, part.sorted()) }
      }
    }
    XCTAssertEqual(try split(10, [1, 0, 0]).map(\.count), [10, 0, 0])
    XCTAssertEqual(try split(9, [0.333333, 0.333333, 0.333333]).map(\.count), [3, 3, 3])
  }

  func testSizesByLargestRemainder() throws {
    XCTAssertEqual(try split(303, [0.7, 0.15, 0.15]).map(\.count), [212, 46, 45])
    XCTAssertEqual(try split(10, [0.8, 0.1, 0.1]).map(\.count), [8, 1, 1])
    XCTAssertEqual(try split(7, [0.5, 0.25, 0.25]).map(\.count), [3, 2, 2])
  }

  func testSeedDecides() throws {
    XCTAssertEqual(try split(50, [0.5, 0.5, 0], seed: 1), try split(50, [0.5, 0.5, 0], seed: 1))
    XCTAssertNotEqual(try split(50, [0.5, 0.5, 0], seed: 1), try split(50, [0.5, 0.5, 0], seed: 2))
    XCTAssertNotEqual(try split(50, [0.5, 0.5, 0])[0], Array(0..<25))
  }

  /// 220 and 83 rows: 154, 33, 33 and 58.1, 12.45, 12.45.
  func testStratifiedKeepsProportions() throws {
    let labels = (0..<303).map { Int32($0 % 3 == 0 && $0 < 249 ? 1 : 0) }
    XCTAssertEqual(labels.filter { $0 == 1 }.count, 83)
    let parts = try split(303, [0.7, 0.15, 0.15], labels: labels, seed: 42)
    XCTAssertEqual(parts.map(\.count), [212, 46, 45])
    XCTAssertEqual(parts.map { $0.filter { labels[Int($0)] == 1 }.count }, [58, 13, 12])
    XCTAssertEqual(parts.flatMap { $0 }.sorted(), Array(0..<303))
  }

  /// Within one row of the exact share for every class, and totals as without strata, whatever the classes.
  func testStratifiedManyClasses() throws {
    for trial in 0..<50 as Range<UInt64> {
      let labels = (0..<97).map { Int32(gradc_random(trial, $0) % 11) }
      let shares = [0.6, 0.25, 0.15]
      let parts = try split(97, shares, labels: labels, seed: trial)
      XCTAssertEqual(parts.map(\.count), try split(97, shares).map(\.count))
      XCTAssertEqual(parts.flatMap { $0 }.sorted(), Array(0..<97))
      for label in 0..<11 as Range<Int32> {
        let size = Double(labels.filter { $0 == label }.count)
        for (part, share) in zip(parts, shares) {
          let found = Double(part.filter { labels[Int($0)] == label }.count)
          XCTAssertLessThan(abs(found - size * share), 2)
        }
      }
    }
  }

  func testErrors() {
    var split = gradc_split()
    assertContains(failure { gradc_split_rows(2, [0.7, 0.15, 0.15], nil, 0, &split, $0) }, "no rows", "validation", "0.15 of 2 rows")
    assertContains(failure { gradc_split_rows(9, [0.7, 0.15, 0.1], nil, 0, &split, $0) }, "add up to 0.95")
    assertContains(failure { gradc_split_rows(9, [1.5, -0.5, 0], nil, 0, &split, $0) }, "add up to")
  }

  /// The numbers of the course notes: 10 steps of 100; 313 steps of 32, the last of 16 rows.
  func testBatchCounts() {
    XCTAssertEqual(gradc_batch_count(1000, 100), 10)
    XCTAssertEqual(gradc_batch_count(10000, 32), 313)
    XCTAssertEqual(10000 - 312 * 32, 16)
    XCTAssertEqual(gradc_batch_count(10000, 0), 1)
    XCTAssertEqual(gradc_batch_count(5, 1), 5)
    XCTAssertEqual(gradc_batch_count(0, 32), 0)
  }
}
