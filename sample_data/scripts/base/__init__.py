"""The tiny base model: pictures of synthetic adults, and the training of the pipeline that draws them."""
