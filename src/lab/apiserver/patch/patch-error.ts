/** A patch that cannot be read (`malformed`), is too big, or does not fit the object (`failed`). */
export class PatchError extends Error {
  readonly why: 'malformed' | 'failed' | 'too-large';

  constructor(why: PatchError['why'], message: string) {
    super(message);
    this.name = 'PatchError';
    this.why = why;
  }
}
