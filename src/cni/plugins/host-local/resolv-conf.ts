/** resolv.conf(5), as the `dns` of a result. */
import { readFileSync } from 'node:fs';
import { errorMessage } from '../../../model/errors.ts';
import { CniError, cniErrorCodes } from '../../spec/error.ts';
import type { CniDns } from '../../spec/result.ts';

/** @throws CniError (invalid configuration) for a file that cannot be read */
export function readResolvConf(path: string): CniDns {
  let text: string;
  try {
    text = readFileSync(path, 'utf8');
  } catch (cause) {
    throw new CniError(`ipam.resolvConf: ${errorMessage(cause)}`, {
      code: cniErrorCodes.invalidConfig,
      cause,
    });
  }
  return parseResolvConf(text);
}

/** The last `domain` and `search` count; nameservers and options add up. */
export function parseResolvConf(text: string): CniDns {
  const nameservers: string[] = [];
  const options: string[] = [];
  let domain: string | undefined;
  let search: readonly string[] = [];
  for (const line of text.split('\n')) {
    const [keyword = '', ...values] = line.trim().split(/\s+/);
    const [first] = values;
    if (keyword === '' || /^[#;]/.test(keyword) || first === undefined) continue;
    if (keyword === 'nameserver') nameservers.push(first);
    else if (keyword === 'domain') domain = first;
    else if (keyword === 'search') search = values;
    else if (keyword === 'options') options.push(...values);
  }
  return {
    ...(nameservers.length > 0 && { nameservers }),
    ...(domain !== undefined && { domain }),
    ...(search.length > 0 && { search }),
    ...(options.length > 0 && { options }),
  };
}
