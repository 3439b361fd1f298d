/** What a plugin answers when it cannot do what it was asked: CNI specification 1.1.0, section 5, "Error". */
import { PodnetError, errorMessage } from '../../model/errors.ts';
import type { JsonObject } from './json.ts';

/** The specification's own codes. Plugins may use their own from 100 on. */
export const cniErrorCodes = {
  incompatibleVersion: 1,
  unsupportedField: 2,
  unknownContainer: 3,
  invalidEnvironment: 4,
  io: 5,
  decoding: 6,
  invalidConfig: 7,
  tryAgainLater: 11,
  pluginNotAvailable: 50,
  limitedConnectivity: 51,
} as const;

/** What podnet's plugins answer when nothing more exact is known. */
export const INTERNAL_ERROR = 999;

export interface CniErrorOptions {
  /** One of `cniErrorCodes`, or a plugin's own from 100 on. */
  readonly code: number;
  /** Where it happened and what to do: a sentence or two. */
  readonly details?: string | undefined;
  readonly cause?: unknown;
}

export class CniError extends Error {
  readonly code: number;
  readonly details: string | undefined;

  constructor(message: string, { code, details, cause }: CniErrorOptions) {
    super(message, cause === undefined ? undefined : { cause });
    this.name = 'CniError';
    this.code = code;
    this.details = details;
  }
}

/** The code of an error of the specification, or undefined for any other value. */
export function cniErrorCode(error: unknown): number | undefined {
  return error instanceof CniError ? error.code : undefined;
}

/** Anything thrown, as an error a runtime understands. */
export function toCniError(thrown: unknown): CniError {
  if (thrown instanceof CniError) return thrown;
  const message = errorMessage(thrown);
  if (!(thrown instanceof PodnetError)) return new CniError(message, { code: INTERNAL_ERROR, cause: thrown });
  const { where, fix } = thrown;
  const details = [where && `Where: ${where}`, fix].filter(Boolean).join('. ');
  return new CniError(message, { code: INTERNAL_ERROR, details: details || undefined, cause: thrown });
}

/** The object printed to stdout. `version` is the configuration's, as far as it was understood. */
export function errorObject({ code, message, details }: CniError, version: string): JsonObject {
  return { cniVersion: version, code, msg: message, ...(details && { details }) };
}

/** An error object that another plugin printed; undefined when it is none. */
export function parseErrorObject(value: unknown): CniError | undefined {
  if (typeof value !== 'object' || value === null || !('code' in value) || typeof value.code !== 'number')
    return undefined;
  const message = 'msg' in value && typeof value.msg === 'string' ? value.msg : '';
  const details = 'details' in value && typeof value.details === 'string' ? value.details : undefined;
  return new CniError(message, { code: value.code, details });
}
