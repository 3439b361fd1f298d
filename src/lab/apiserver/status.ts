import type { Status } from '../../model/objects.ts';
import type { ServedKind } from './registry.ts';

/** A refusal, carrying the metav1.Status that is its body. The words are Kubernetes' own. */
export class StatusError extends Error {
  readonly status: Status & { code: number };

  constructor(status: { code: number; reason: string; message: string; details?: Status['details'] }) {
    super(status.message);
    this.name = 'StatusError';
    const { code, reason, message, details } = status;
    this.status = {
      kind: 'Status',
      apiVersion: 'v1',
      metadata: {},
      status: 'Failure',
      message,
      reason,
      ...(details === undefined ? {} : { details }),
      code,
    };
  }
}

/** A kind's GroupResource. */
export type Resource = Pick<ServedKind, 'group' | 'plural'>;

function detailsOf(
  { group, plural }: Resource,
  name: string,
): { name?: string; group?: string; kind: string } {
  return { ...(name === '' ? {} : { name }), ...(group === '' ? {} : { group }), kind: plural };
}

/** `deployments.apps`. */
export function resourceName({ group, plural }: Resource): string {
  return group === '' ? plural : `${plural}.${group}`;
}

export function notFound(resource: Resource, name: string): StatusError {
  return new StatusError({
    code: 404,
    reason: 'NotFound',
    message: `${resourceName(resource)} ${quote(name)} not found`,
    details: detailsOf(resource, name),
  });
}

/** No such resource type. */
export function unknownResource(): StatusError {
  return new StatusError({
    code: 404,
    reason: 'NotFound',
    message: 'the server could not find the requested resource',
    details: {},
  });
}

export function alreadyExists(resource: Resource, name: string): StatusError {
  return new StatusError({
    code: 409,
    reason: 'AlreadyExists',
    message: `${resourceName(resource)} ${quote(name)} already exists`,
    details: detailsOf(resource, name),
  });
}

export const MODIFIED =
  'the object has been modified; please apply your changes to the latest version and try again';

export function conflict(resource: Resource, name: string, why: string = MODIFIED): StatusError {
  return new StatusError({
    code: 409,
    reason: 'Conflict',
    message: `Operation cannot be fulfilled on ${resourceName(resource)} ${quote(name)}: ${why}`,
    details: detailsOf(resource, name),
  });
}

export function forbidden(
  resource: Resource,
  name: string,
  { why, causes }: { why: string; causes?: readonly { reason: string; message: string; field?: string }[] },
): StatusError {
  const subject = name === '' ? resourceName(resource) : `${resourceName(resource)} ${quote(name)}`;
  return new StatusError({
    code: 403,
    reason: 'Forbidden',
    message: `${subject} is forbidden: ${why}`,
    details: { ...detailsOf(resource, name), ...(causes === undefined ? {} : { causes: [...causes] }) },
  });
}

export function forbiddenPath(message: string): StatusError {
  return new StatusError({ code: 403, reason: 'Forbidden', message, details: {} });
}

export function unauthorized(): StatusError {
  return new StatusError({ code: 401, reason: 'Unauthorized', message: 'Unauthorized' });
}

export function badRequest(message: string): StatusError {
  return new StatusError({ code: 400, reason: 'BadRequest', message });
}

export function methodNotAllowed(resource: Resource, action: string): StatusError {
  return new StatusError({
    code: 405,
    reason: 'MethodNotAllowed',
    message: `${action} is not supported on resources of kind ${quote(resourceName(resource))}`,
    details: detailsOf(resource, ''),
  });
}

export function methodUnknown(): StatusError {
  return new StatusError({
    code: 405,
    reason: 'MethodNotAllowed',
    message: 'the server does not allow this method on the requested resource',
    details: {},
  });
}

export function expired(message: string): StatusError {
  return new StatusError({ code: 410, reason: 'Expired', message });
}

export function tooLargeResourceVersion(asked: number, current: number): StatusError {
  return new StatusError({
    code: 504,
    reason: 'Timeout',
    message: `Timeout: Too large resource version: ${asked}, current: ${current}`,
    details: {
      causes: [{ reason: 'ResourceVersionTooLarge', message: 'Too large resource version' }],
      retryAfterSeconds: 1,
    },
  });
}

export function unsupportedMediaType(accepted: readonly string[]): StatusError {
  return new StatusError({
    code: 415,
    reason: 'UnsupportedMediaType',
    message:
      'the body of the request was in an unknown format - accepted media types include: ' +
      accepted.join(', '),
  });
}

export function tooLarge(limitBytes: number): StatusError {
  return new StatusError({
    code: 413,
    reason: 'RequestEntityTooLarge',
    message: `Request entity too large: limit is ${limitBytes}`,
  });
}

export function tooManyRequests(
  message: string,
  causes: readonly { reason: string; message: string }[],
): StatusError {
  return new StatusError({ code: 429, reason: 'TooManyRequests', message, details: { causes: [...causes] } });
}

export function internalError(message: string): StatusError {
  return new StatusError({
    code: 500,
    reason: 'InternalError',
    message: `Internal error occurred: ${message}`,
    details: { causes: [{ message }] },
  });
}

/** Go's `%q` for what occurs in names and messages. */
export function quote(text: string): string {
  return JSON.stringify(text);
}
