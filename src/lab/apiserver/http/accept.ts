/** What form of an object a client asked for in its Accept header. */
export interface WantedForm {
  readonly as: 'Object' | 'Table' | 'PartialObjectMetadata';
  /** Of meta.k8s.io, for tables. */
  readonly version: 'v1' | 'v1beta1';
}

const PLAIN: WantedForm = { as: 'Object', version: 'v1' };

/** The first range the server can satisfy. Everything is answered in JSON, whatever else is accepted. */
export function wantedForm(accept: string | undefined): WantedForm {
  for (const range of (accept ?? '').split(',')) {
    const [type, ...parameters] = range.split(';').map((part) => part.trim());
    if (type !== 'application/json' && type !== '*/*') continue;
    const values = new Map(parameters.map((parameter) => parameter.split('=', 2) as [string, string]));
    const as = values.get('as')?.replace(/List$/u, '');
    if (as === undefined) return PLAIN;
    const version = values.get('v');
    if (values.get('g') !== 'meta.k8s.io' || (version !== 'v1' && version !== 'v1beta1')) continue;
    if (as === 'Table' || as === 'PartialObjectMetadata') return { as, version };
  }
  return PLAIN;
}
