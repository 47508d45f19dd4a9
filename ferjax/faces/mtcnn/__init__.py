"""MTCNN: faces with five landmarks, found by three small convolutional networks.

References:
  Zhang, Zhang, Li and Qiao, "Joint Face Detection and Alignment using Multi-task Cascaded
  Convolutional Networks", 2016.
"""
