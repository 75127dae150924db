// The rows of a batch cross over as one text.

/** JSON of the rows of each statement, as lists after one of the names of the columns. */
export function write(results) {
  return JSON.stringify(results.map(({ results: rows }) => list(rows)));
}

function list(rows) {
  return rows.length > 0 ? [Object.keys(rows[0]), ...rows.map((row) => Object.values(row))] : rows;
}
