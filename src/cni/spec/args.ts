/** CNI_ARGS: `KEY=VALUE;KEY=VALUE`. */
import { CniError, cniErrorCodes } from './error.ts';

/** Accepts everything that is not known, when its value is true. */
const IGNORE_UNKNOWN = 'IgnoreUnknown';

/**
 * @param known names that the plugin understands; every name when undefined
 * @throws CniError (invalid environment) for text that is not made of pairs, and for unknown names without
 *   `IgnoreUnknown=true`
 */
export function parseCniArgs(text: string, known?: readonly string[]): ReadonlyMap<string, string> {
  const args = new Map<string, string>();
  for (const pair of text.split(';')) {
    if (pair === '') continue;
    const separator = pair.indexOf('=');
    if (separator <= 0)
      throw new CniError(`CNI_ARGS: ${JSON.stringify(pair.slice(0, 60))} is not KEY=VALUE`, {
        code: cniErrorCodes.invalidEnvironment,
        details: 'Pairs are parted by semicolons: IgnoreUnknown=1;K8S_POD_NAME=web.',
      });
    args.set(pair.slice(0, separator), pair.slice(separator + 1));
  }
  if (known && !isTrue(args.get(IGNORE_UNKNOWN))) {
    const unknown = [...args.keys()].filter((name) => name !== IGNORE_UNKNOWN && !known.includes(name));
    if (unknown.length > 0)
      throw new CniError(`CNI_ARGS: nobody knows ${unknown.join(', ')}`, {
        code: cniErrorCodes.invalidEnvironment,
        details: `Known are ${known.join(', ') || 'none'}; IgnoreUnknown=true lets others pass.`,
      });
  }
  return args;
}

function isTrue(text: string | undefined): boolean {
  return text !== undefined && ['1', 't', 'true'].includes(text.toLowerCase());
}
