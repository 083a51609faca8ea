/** Key in this browser's storage that the page sets when it opens; see ahead.ts. */
export const OPENED_BEFORE = 'crossview.opened';
