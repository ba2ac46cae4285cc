/** What the intranet server serves. */
export const PAGE = '<h1>Intranet</h1><p>You reached the server at the headquarters.</p>\n'
export const NO_ANSWER = 'no answer'
