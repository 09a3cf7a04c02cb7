export const factor = 3;
export function triple(x: number): number {
  return x * factor;
}
export class Point {
  static made = 0;
  readonly x: number;
  constructor(x: number) {
    this.x = x;
    Point.made++;
  }
  get double(): number {
    return this.x * 2;
  }
}
