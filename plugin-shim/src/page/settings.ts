/** Settings of the page, for each cluster and browser for itself. */

function keyFor(cluster: string, key: string): string {
  return `crossview/${encodeURIComponent(cluster)}/${key}`;
}

/** What was saved; '' when there is nothing, or the browser allows no storage. */
export function load(cluster: string, key: string): string {
  try {
    return localStorage.getItem(keyFor(cluster, key)) ?? '';
  } catch {
    return '';
  }
}

/** Saves it for next time; without storage it is forgotten with the page. */
export function save(cluster: string, key: string, value: string) {
  try {
    localStorage.setItem(keyFor(cluster, key), value);
  } catch {
    // The browser allows no storage, or it is full.
  }
}
