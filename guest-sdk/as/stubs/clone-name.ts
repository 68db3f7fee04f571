/** The name of a clone that nobody named. */
export function cloneName(ctx: Context, clone: CloneRequest): Reply {
  let number = 1;
  while (clone.taken.includes(`${clone.source}-${number}`)) number++;
  return say(`${clone.source}-${number}`);
}
