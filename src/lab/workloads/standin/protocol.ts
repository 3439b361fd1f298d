export type Protocol = 'http1' | 'http2' | 'tls' | 'text';

const HTTP2_PREFACE = 'PRI * HTTP/2.0';
/** A method and a space (RFC 9110 §9.1 names them in capitals; extension methods are words too). */
const METHOD = /^[A-Z]{3,20} /;
const METHOD_SO_FAR = /^[A-Z]{1,20}$/;

/** What a client speaks, by its first bytes; undefined while they could still become HTTP. */
export function detectProtocol(bytes: Buffer): Protocol | undefined {
  if (bytes.length === 0) return undefined;
  // A TLS record of type handshake (RFC 8446 §5.1).
  if (bytes[0] === 0x16) return bytes.length < 2 ? undefined : bytes[1] === 3 ? 'tls' : 'text';
  const start = bytes.toString('latin1', 0, 24);
  if (HTTP2_PREFACE.startsWith(start.slice(0, HTTP2_PREFACE.length)))
    return start.length < 5 ? undefined : 'http2';
  if (METHOD.test(start)) return looksLikeRequest(bytes);
  return METHOD_SO_FAR.test(start) ? undefined : 'text';
}

/** `GET /` and `CONNECT host:port` are HTTP, `HELLO world` is not. */
function looksLikeRequest(bytes: Buffer): Protocol | undefined {
  const [line = '', ...others] = bytes.toString('latin1', 0, 2048).split('\n', 2);
  if (others.length > 0) return /^[A-Z]+ \S+ HTTP\/\d\.\d\r?$/.test(line) ? 'http1' : 'text';
  const [method = '', target = ''] = line.split(' ', 2);
  if (method === 'CONNECT' || target === '' || target === '*') return undefined;
  return target.startsWith('/') || target.startsWith('http') ? 'http1' : 'text';
}
