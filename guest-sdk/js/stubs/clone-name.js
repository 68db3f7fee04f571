/** The name of a clone that nobody named. */
export const cloneName = reeve.propose((ctx, clone) => {
  let number = 1;
  while (clone.taken.includes(`${clone.source}-${number}`)) {
    number += 1;
  }
  return `${clone.source}-${number}`;
});
