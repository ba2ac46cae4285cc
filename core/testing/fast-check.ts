/** fast-check makes the cases of the contract suites up; only who runs one must have it. */
export async function fastCheck(): Promise<typeof import('fast-check')> {
  try {
    return await import('fast-check')
  } catch (cause) {
    throw new Error('this contract suite needs fast-check: npm install --save-dev fast-check', { cause })
  }
}
