/** The medians as bars, one group for each measure, each as long as its share of the group's longest. */
import { quantile } from '../measure.ts'
import type { Sample } from './drive.ts'
import type { Measure } from './index.ts'
import type { VariantName } from './scene.ts'

const COLOURS: Readonly<Record<VariantName, string>> = {
  burrow: '#b5532a',
  l2tpns: '#5b7fa6',
  'plain C': '#8a8f98',
  'raw veth': '#d5d8dd',
}
const [WIDTH, LABEL, VALUE, BAR, GAP, HEAD] = [760, 250, 90, 13, 12, 34]

type Rows = readonly (readonly [Measure, ReadonlyMap<VariantName, readonly Sample[]>])[]

export function plotOf(rows: Rows, names: readonly VariantName[]): string {
  const groupHeight = names.length * BAR + GAP
  const height = HEAD + rows.length * groupHeight
  const parts = names.map((name, i) => {
    const x = LABEL + i * 110
    return `<rect x="${x}" y="10" width="10" height="10" fill="${COLOURS[name]}"/>${text(x + 15, 19, name)}`
  })
  for (const [index, [{ name, unit }, of]] of rows.entries()) {
    const top = HEAD + index * groupHeight
    parts.push(text(LABEL - 8, top + groupHeight / 2, `${name}, ${unit}`, 'end'))
    const medians = names.map(variant =>
      quantile(
        (of.get(variant) ?? []).map(({ value }) => value),
        0.5,
      ),
    )
    const longest = Math.max(...medians.filter(Number.isFinite), Number.MIN_VALUE)
    for (const [nth, variant] of names.entries()) {
      const median = medians[nth] ?? Number.NaN
      if (!Number.isFinite(median)) continue
      const width = Math.max(1, ((WIDTH - LABEL - VALUE) * median) / longest)
      const y = top + nth * BAR
      parts.push(
        `<rect x="${LABEL}" y="${y}" width="${width.toFixed(1)}" height="${BAR - 2}" fill="${COLOURS[variant]}"/>`,
        text(LABEL + width + 5, y + BAR - 4, median >= 100 ? median.toFixed(0) : median.toFixed(2)),
      )
    }
  }
  return `<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 ${WIDTH} ${height}" font-family="sans-serif" font-size="11">
<rect width="${WIDTH}" height="${height}" fill="#fff"/>
${parts.join('\n')}
</svg>
`
}

const text = (x: number, y: number, what: string, anchor = 'start') =>
  `<text x="${x.toFixed(1)}" y="${y.toFixed(1)}" text-anchor="${anchor}" fill="#333">${what}</text>`
