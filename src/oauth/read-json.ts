const maxBytes = 262_144

/**
 * Reads a small JSON document. Redirects are not followed: they could lead anywhere.
 * @throws Error whose message says in a few words why not
 */
export async function readJson (url: string, signal: AbortSignal): Promise<unknown> {
  try {
    const response = await fetch(url, { signal, redirect: 'manual', headers: { accept: 'application/json' } })
    if (response.status !== 200) {
      await response.body?.cancel()
      throw new Error(`status ${response.status}`)
    }
    return JSON.parse(await textOf(response))
  } catch (error) {
    throw new Error(`${url}: ${reasonOf(error as Error)}`)
  }
}

async function textOf (response: Response): Promise<string> {
  const chunks: Uint8Array[] = []
  let received = 0
  for await (const chunk of response.body ?? []) {
    received += chunk.byteLength
    if (received > maxBytes) throw new Error(`more than ${maxBytes} bytes`)
    chunks.push(chunk)
  }
  return Buffer.concat(chunks).toString('utf8')
}

function reasonOf (error: Error): string {
  if (error instanceof SyntaxError) return 'no JSON'
  return (error.cause as { code?: string } | undefined)?.code ?? error.message
}
