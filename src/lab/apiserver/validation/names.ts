/** What may be a name, in the API server's words. Each function gives the problem, or `undefined`. */
type Problem = (text: string) => string | undefined;

const LABEL = '[a-z0-9]([-a-z0-9]*[a-z0-9])?';
const LABEL_1035 = '[a-z]([-a-z0-9]*[a-z0-9])?';
const SUBDOMAIN = String.raw`${LABEL}(\.${LABEL})*`;

function pattern(source: string, { maxLength, words }: { maxLength: number; words: string }): Problem {
  const expression = new RegExp(`^${source}$`, 'u');
  return (text) => {
    if (text.length > maxLength) return `must be no more than ${maxLength} bytes`;
    return expression.test(text) ? undefined : `${words}, regex used for validation is '${source}')`;
  };
}

/** RFC 1123 label: a namespace, a container. */
export const labelNameProblem = pattern(LABEL, {
  maxLength: 63,
  words:
    "a lowercase RFC 1123 label must consist of lower case alphanumeric characters or '-', and must start and end " +
    "with an alphanumeric character (e.g. 'my-name',  or '123-abc'",
});

/** RFC 1035 label: a Service. */
export const serviceNameProblem = pattern(LABEL_1035, {
  maxLength: 63,
  words:
    "a DNS-1035 label must consist of lower case alphanumeric characters or '-', start with an alphabetic " +
    "character, and end with an alphanumeric character (e.g. 'my-name',  or 'abc-123'",
});

/** RFC 1123 subdomain: most objects. */
export const subdomainProblem = pattern(SUBDOMAIN, {
  maxLength: 253,
  words:
    "a lowercase RFC 1123 subdomain must consist of lower case alphanumeric characters, '-' or '.', and must start " +
    "and end with an alphanumeric character (e.g. 'example.com'",
});

/** Names that must be one step of a path and nothing more: RBAC objects. */
export const pathSegmentProblem: Problem = (text) => {
  if (text === '.' || text === '..') return `may not be '${text}'`;
  if (text.includes('/')) return `may not contain '/'`;
  return text.includes('%') ? `may not contain '%'` : undefined;
};

/** Names of container and Service ports (RFC 6335, 5.1). */
export function portNameProblems(name: string): string[] {
  const problems: string[] = [];
  if (name.length > 15) problems.push('must be no more than 15 characters');
  if (!/^[-a-z0-9]+$/u.test(name)) {
    problems.push('must contain only alpha-numeric characters (a-z, 0-9), and hyphens (-)');
  }
  if (!/[a-z]/u.test(name)) problems.push('must contain at least one letter (a-z)');
  if (name.includes('--')) problems.push('must not contain consecutive hyphens');
  if (/^-|-$/u.test(name)) problems.push('must not begin or end with a hyphen');
  return problems;
}

/** `must be between 1 and 65535, inclusive`, or `undefined`. */
export function portNumberProblem(port: unknown): string | undefined {
  return typeof port === 'number' && port >= 1 && port <= 65_535
    ? undefined
    : 'must be between 1 and 65535, inclusive';
}
