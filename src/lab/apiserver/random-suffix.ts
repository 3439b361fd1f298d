import { randomInt } from 'node:crypto';

/** Consonants and digits that spell no words (apimachinery's util/rand). */
const LETTERS = 'bcdfghjklmnpqrstvwxz2456789';

/** Five letters that make a generated name unique: `web-7x2kq`. */
export function randomSuffix(): string {
  return Array.from({ length: 5 }, () => LETTERS[randomInt(LETTERS.length)]).join('');
}
