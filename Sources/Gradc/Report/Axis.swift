import Glibc

/// A range of values with ticks at round numbers, linear or logarithmic.
struct Axis: Hashable {
  var low: Double
  var high: Double
  var isLogarithmic: Bool
  var ticks: [Double]

  /// An axis that holds all finite values. Logarithmic when `allowsLogarithm` and positive values spread over more than a factor of 50.
  init(of values: some Sequence<Double>, allowsLogarithm: Bool = false, ticks count: Int = 5) {
    let finite = values.filter(\.isFinite)
    let smallest = finite.min() ?? 0
    let largest = finite.max() ?? 1
    isLogarithmic = allowsLogarithm && smallest > 0 && largest > 50 * smallest
    if isLogarithmic {
      (low, high, ticks) = Self.logarithmic(smallest, largest)
    } else {
      (low, high, ticks) = Self.linear(smallest, largest, count)
    }
  }

  /// An axis of whole numbers from `first` to `last`, not widened.
  init(whole first: Int, _ last: Int, ticks count: Int = 8) {
    low = Double(first)
    high = Double(max(last, first + 1))
    isLogarithmic = false
    let step = max(1, Self.step(for: high - low, count))
    ticks = []
    var tick = (low / step).rounded(.up) * step
    while tick <= high {
      ticks.append(tick)
      tick += step
    }
    // The first epoch is worth a tick of its own where there is room.
    if let next = ticks.first, next > low, next - low > step / 2 { ticks.insert(low, at: 0) }
  }

  /// Where a value lies, from 0 to 1.
  func position(_ value: Double) -> Double {
    isLogarithmic ? log(value / low) / log(high / low) : (value - low) / (high - low)
  }

  /// 1, 2 or 5 times a power of ten, so that about `count` steps cover the span.
  static func step(for span: Double, _ count: Int) -> Double {
    let raw = span / Double(count)
    let power = pow(10, log10(raw).rounded(.down))
    let leading = raw / power
    return power * (leading <= 1 ? 1 : leading <= 2 ? 2 : leading <= 5 ? 5 : 10)
  }

  private static func linear(_ smallest: Double, _ largest: Double, _ count: Int) -> (Double, Double, [Double]) {
    let margin = largest > smallest ? 0 : max(abs(largest) * 0.1, 0.1)
    let (from, to) = (smallest - margin, largest + margin)
    let step = step(for: to - from, count)
    let (first, last) = ((from / step).rounded(.down), (to / step).rounded(.up))
    guard last - first <= 100, step > 0 else { return (from, to, [from, to]) }
    // A multiple, not a running sum: 0.3 and not 0.30000000000000004 where that can be helped.
    return (first * step, last * step, stride(from: first, through: last, by: 1).map { $0 * step })
  }

  private static func logarithmic(_ smallest: Double, _ largest: Double) -> (Double, Double, [Double]) {
    let (first, last) = (Int(log10(smallest).rounded(.down)), Int(log10(largest).rounded(.up)))
    let leading: [Double] = last - first <= 3 ? [1, 2, 5] : [1]
    let every = max(1, (last - first + 7) / 8)
    let ticks = stride(from: first, through: last, by: every).flatMap { power in leading.map { $0 * pow(10, Double(power)) } }
    return (smallest / 1.1, largest * 1.1, ticks.filter { (smallest / 1.1...largest * 1.1).contains($0) })
  }
}
